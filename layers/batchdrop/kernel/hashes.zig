//! Hashes of ids, put in order, or only those together that begin alike.

const std = @import("std");
const Hash = @import("types.zig").Hash;

const FEW = 48; // are put in order by comparing them

pub fn same(a: Hash, b: Hash) bool {
    return a.one == b.one and a.two == b.two;
}

fn isBefore(_: void, a: Hash, b: Hash) bool {
    return if (a.one == b.one) a.two < b.two else a.one < b.one;
}

/// Put them in order. They are spread evenly, so two of their bytes put almost all of them where they belong.
pub fn sort(hashes: []Hash) void {
    sortBy(56, hashes);
}

/// By the byte at this bit first, then by what is below it.
fn sortBy(comptime bit: u6, hashes: []Hash) void {
    if (hashes.len <= FEW) return std.sort.insertion(Hash, hashes, {}, isBefore);
    if (bit < 40) return std.mem.sortUnstable(Hash, hashes, {}, isBefore); // equal ones, most likely
    var starts: Starts(u8) = undefined;
    part(u8, bit, hashes, &starts);
    for (starts[0..256], starts[1..]) |begin, end| sortBy(bit - 8, hashes[begin..end]);
}

/// Where the hashes with each value of these bits begin, and behind them where the last ones end.
pub fn Starts(comptime Bits: type) type {
    return [std.math.maxInt(Bits) + 2]u32;
}

/// Put those together whose bits, from this one on, have the same value, in place and in the order of the values.
pub fn part(comptime Bits: type, comptime bit: u6, hashes: []Hash, starts: *Starts(Bits)) void {
    const count = std.math.maxInt(Bits) + 1;
    @memset(starts, 0);
    for (hashes) |each| starts[@as(usize, bitsOf(Bits, bit, each)) + 1] += 1;
    for (1..count + 1) |i| starts[i] += starts[i - 1];
    var next: [count]u32 = starts[0..count].*; // where the next one with these bits goes
    for (0..count) |i| {
        while (next[i] < starts[i + 1]) {
            const place = &hashes[next[i]];
            const to = bitsOf(Bits, bit, place.*);
            if (to != i) std.mem.swap(Hash, place, &hashes[next[to]]);
            next[to] += 1;
        }
    }
}

fn bitsOf(comptime Bits: type, comptime bit: u6, hash: Hash) Bits {
    return @truncate(hash.one >> bit);
}

const MOST_MARKED = 1 << 20; // hashes for which there is memory to look quickly

/// Whether some may be there more than once: no is certain. Far quicker than putting them in order.
pub fn mayRepeat(hashes: []const Hash) bool {
    if (hashes.len > MOST_MARKED) return true;
    const size = std.math.ceilPowerOfTwoAssert(usize, @max(2 * hashes.len, 2));
    const marks = std.heap.page_allocator.alloc(u32, size) catch return true;
    defer std.heap.page_allocator.free(marks);
    @memset(marks, 0);
    for (hashes) |each| {
        const mark: u32 = @as(u32, @truncate(each.two)) | 1;
        var at: usize = @intCast(each.one % size);
        while (marks[at] != 0) : (at = (at + 1) % size) {
            if (marks[at] == mark) return true;
        }
        marks[at] = mark;
    }
    return false;
}
