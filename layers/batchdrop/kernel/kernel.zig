//! The inner loop of the records engine: from bytes of a drop to bytes of a batch, as many records at a time as fit.
//!
//! It does what is plain and leaves the rest: a record in which anything is unusual is handed back, and looked at by
//! the careful way (in Python), which gives the very same bytes or says what is wrong. Built with all checks on: an
//! index beyond its bounds ends the process, and cannot reach other memory.

const std = @import("std");
const text = @import("text.zig");
const types = @import("types.zig");
const Digest = @import("digest.zig").Digest;
const csv = @import("csv.zig");
const json = @import("json.zig");

const Call = types.Call;
const Mode = types.Mode;
const Out = types.Out;
const Run = types.Run;
const Stop = types.Stop;

comptime {
    _ = @import("number.zig");
}

/// The length of the beginning of the text that is UTF-8; all of it where nothing is wrong.
export fn batchdrop_utf8(ptr: [*]const u8, len: usize) usize {
    const bytes = ptr[0..len];
    var at: usize = 0;
    while (at < len) {
        const step = @min(len - at, 4096);
        var stop = at + step;
        while (stop > at and stop < len and bytes[stop] & 0xC0 == 0x80) stop -= 1;
        if (!std.unicode.utf8ValidateSlice(bytes[at..stop])) return at;
        at = if (stop == at) return at else stop;
    }
    return at;
}

export fn batchdrop_digest_begin(digest: *Digest) void {
    digest.begin();
}

export fn batchdrop_digest_update(digest: *Digest, ptr: [*]const u8, len: usize) void {
    digest.update(ptr[0..len]);
}

export fn batchdrop_digest_sum(digest: *const Digest, sum: *[32]u8) void {
    sum.* = digest.sum();
}

export fn batchdrop_csv(spec: *const csv.Spec, call: *const Call, run: *Run) void {
    var reader = csv.Reader.init(spec, call.in[0..call.len]);
    go(&reader, call, run);
}

export fn batchdrop_json(spec: *const json.Spec, call: *const Call, run: *Run) void {
    var reader = json.Reader.init(spec, call.in[0..call.len]);
    go(&reader, call, run);
}

fn go(reader: anytype, call: *const Call, run: *Run) void {
    var out = Out{ .room = call.room[0..call.size] };
    const from = run.at;
    var lines: usize = 0;
    var counted = from;
    run.records = 0;
    run.stop = while (true) {
        const found = reader.next(run.at, call.mode != .scan);
        if (found == .more) break .more;
        run.at = reader.start;
        if (found == .broken) break .broken;
        if (found == .closed) break .closed;
        run.end = reader.end;
        run.after = reader.after;
        if (run.records == call.most) break .full;
        if (call.mode != .scan) {
            if (found == .careful) break .careful;
            if (written(reader, call.mode, &out)) |stop| break stop;
            if (call.places) |places| {
                lines += text.lines(call.in[counted..reader.start]);
                counted = reader.start;
                places[run.records] = .{
                    .start = reader.start,
                    .end = reader.end,
                    .line = lines,
                    .is_plain = reader.isPlain(),
                };
            }
        }
        run.at = reader.after;
        run.records += 1;
    };
    run.lines = lines + text.lines(call.in[counted..run.at]);
    run.written = out.len;
}

/// Write the record the reader is at, or its id; why that could not be, if it could not.
fn written(reader: anytype, mode: Mode, out: *Out) ?Stop {
    const before = out.len;
    write(reader, mode, out) catch |failure| {
        out.len = before;
        return if (failure == error.Full) .full else .careful;
    };
    return null;
}

fn write(reader: anytype, mode: Mode, out: *Out) types.Failure!void {
    if (mode == .encode) return reader.encode(out);
    const before = out.len;
    // What is far smaller than the room need not be written to know that it fits.
    if (reader.most() < out.room.len) try reader.check(out) else try reader.encode(out);
    out.len = before;
    try reader.id(out);
    try out.byte('\n');
}
