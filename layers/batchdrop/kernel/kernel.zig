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
const hashing = @import("hashes.zig");

comptime {
    _ = @import("refusals.zig");
    _ = @import("told.zig");
}

const Call = types.Call;
const Join = @import("join.zig").Join;
const Hash = types.Hash;
const Out = types.Out;
const Sip = std.crypto.auth.siphash.SipHash128(2, 4);
const Run = types.Run;
const Stop = types.Stop;

/// What stands for an id, under a key.
export fn batchdrop_hash(ptr: [*]const u8, len: usize, key: *const [16]u8, into: *Hash) void {
    into.* = hashed(ptr[0..len], key);
}

/// Put those hashes that are there more than once into `found`, each once, as many as there is room for; how many there
/// are. The others are in any order afterwards.
export fn batchdrop_repeated(ptr: [*]Hash, len: usize, found: [*]Hash, most: usize) usize {
    const hashes = ptr[0..len];
    if (!hashing.mayRepeat(hashes)) return 0;
    hashing.sort(hashes);
    var count: usize = 0;
    for (1..@max(len, 1)) |i| {
        if (!hashing.same(hashes[i], hashes[i - 1]) or (i > 1 and hashing.same(hashes[i], hashes[i - 2]))) continue;
        if (count < most) found[count] = hashes[i];
        count += 1;
    }
    return count;
}

/// Put the hashes together that begin with the same bits, and tell where each part begins.
export fn batchdrop_parted(ptr: [*]Hash, len: usize, starts: *hashing.Starts(u12)) void {
    hashing.part(u12, 52, ptr[0..len], starts);
}

/// The length of the beginning of the text that is UTF-8; all of it where nothing is wrong.
export fn batchdrop_utf8(ptr: [*]const u8, len: usize) usize {
    return text.utf8(ptr[0..len]);
}

/// SHA-256 that can be put down and taken up again: see digest.zig.
export fn batchdrop_digest_begin(digest: *Digest) void {
    digest.begin();
}

export fn batchdrop_digest_update(digest: *Digest, ptr: [*]const u8, len: usize) void {
    digest.update(ptr[0..len]);
}

export fn batchdrop_digest_sum(digest: *const Digest, sum: *[32]u8) void {
    sum.* = digest.sum();
}

/// Do rows of CSV, from `run.at` on.
export fn batchdrop_csv(spec: *const csv.Spec, call: *const Call, run: *Run) void {
    var reader = csv.Reader.init(spec, call.in[0..call.len]);
    go(&reader, call, run);
}

/// Do JSON records, from `run.at` on.
export fn batchdrop_json(spec: *const json.Spec, call: *const Call, run: *Run) void {
    var reader = json.Reader.init(spec, call.in[0..call.len]);
    go(&reader, call, run);
}

fn go(reader: anytype, call: *const Call, run: *Run) void {
    var out = Out{ .room = call.room[0..call.size] };
    var lines = Lines{ .in = call.in[0..call.len], .at = run.at };
    if (call.join) |join| join.begin();
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
            if (written(reader, call, &out, run.records, &lines)) |stop| break stop;
            if (call.places) |places| {
                places[run.records] = .{
                    .start = reader.start,
                    .end = reader.end,
                    .line = lines.before(reader.start),
                    .is_plain = reader.isPlain(),
                };
            }
        }
        run.at = reader.after;
        run.records += 1;
    };
    run.lines = lines.before(run.at);
    run.written = out.len;
}

/// Line ends, counted as far as someone asks.
const Lines = struct {
    in: []const u8,
    at: usize,
    count: usize = 0,

    fn before(self: *Lines, at: usize) usize {
        self.count += text.lines(self.in[self.at..at]);
        self.at = at;
        return self.count;
    }
};

/// Write the record the reader is at, its id, or its row; why that could not be, if it could not.
fn written(reader: anytype, call: *const Call, out: *Out, number: usize, lines: *Lines) ?Stop {
    const before = out.len;
    const done = if (call.join) |join| joined(reader, join, out, number, lines) else write(reader, call, out, number);
    done catch |failure| {
        out.len = before;
        return if (failure == error.Full) .full else .careful;
    };
    return null;
}

fn joined(reader: anytype, join: *Join, out: *Out, number: usize, lines: *Lines) types.Failure!void {
    const refusal = try join.refusal(reader, out) orelse return;
    try join.take(reader, out, refusal, number, lines.before(reader.start));
}

fn write(reader: anytype, call: *const Call, out: *Out, number: usize) types.Failure!void {
    if (call.mode == .encode) {
        try reader.encode(out);
        return if (call.hashes) |hashes| hash(reader, out, &call.key, &hashes[number]);
    }
    if (call.hashes) |hashes| try hash(reader, out, &call.key, &hashes[number]);
    const before = out.len;
    // What is far smaller than the room need not be written to know that it fits.
    if (reader.most() < out.room.len) try reader.check(out) else try reader.encode(out);
    out.len = before;
    try reader.id(out);
    try out.byte('\n');
}

/// The hash of the record's id.
fn hash(reader: anytype, out: *Out, key: *const [16]u8, into: *Hash) types.Failure!void {
    const before = out.len;
    try reader.id(out);
    into.* = hashed(out.room[before..out.len], key);
    out.len = before;
}

fn hashed(id: []const u8, key: *const [16]u8) Hash {
    const sum = Sip.toInt(id, key);
    return .{ .one = @truncate(sum), .two = @truncate(sum >> 64) };
}
