//! Putting hashes that begin with the same bits together, in place. They are spread evenly, so the parts are of one size.

const std = @import("std");
const Hash = @import("types.zig").Hash;

pub const parts = 4096;

/// `starts` is where each part begins, and behind them where the last one ends.
pub fn part(hashes: []Hash, starts: *[parts + 1]u32) void {
    @memset(starts, 0);
    for (hashes) |each| starts[partOf(each) + 1] += 1;
    for (1..parts + 1) |i| starts[i] += starts[i - 1];
    var next: [parts]u32 = starts[0..parts].*;
    for (0..parts) |i| {
        while (next[i] < starts[i + 1]) : (next[i] += 1) {
            const place = &hashes[next[i]];
            while (partOf(place.*) != i) {
                const to = partOf(place.*);
                std.mem.swap(Hash, place, &hashes[next[to]]);
                next[to] += 1;
            }
        }
    }
}

fn partOf(hash: Hash) usize {
    return @intCast(hash.one >> 52);
}
