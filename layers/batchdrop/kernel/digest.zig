//! SHA-256 whose state can be put down and taken up again.

const Sha256 = @import("std").crypto.hash.sha2.Sha256;

pub const Digest = extern struct {
    state: [8]u32,
    held: [64]u8,
    held_len: u64,
    total: u64, // bytes seen

    pub fn begin(self: *Digest) void {
        self.* = .{ .state = undefined, .held = @splat(0), .held_len = 0, .total = 0 };
        self.put(Sha256.init(.{}));
    }

    pub fn update(self: *Digest, bytes: []const u8) void {
        var sha = self.taken();
        sha.update(bytes);
        self.put(sha);
    }

    /// What it comes to so far.
    pub fn sum(self: *const Digest) [32]u8 {
        var sha = self.taken();
        return sha.finalResult();
    }

    fn taken(self: *const Digest) Sha256 {
        var sha = Sha256.init(.{});
        sha.s = self.state;
        sha.buf = self.held;
        sha.buf_len = @intCast(self.held_len);
        sha.total_len = self.total;
        return sha;
    }

    fn put(self: *Digest, sha: Sha256) void {
        self.state = sha.s;
        if (sha.buf_len > 0) @memcpy(self.held[0..sha.buf_len], sha.buf[0..sha.buf_len]);
        self.held_len = sha.buf_len;
        self.total = sha.total_len;
    }
};
