//! SHA-256 by the processor's own instructions: this part of the library is compiled for those that have them.

const Digest = @import("digest.zig").Digest;

pub const panic = @import("std").debug.no_panic; // the library has its own

export fn batchdrop_digest_update_swift(digest: *Digest, ptr: [*]const u8, len: usize) void {
    digest.update(ptr[0..len]);
}
