//! Hashes of ids, put in order.

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
    var ends: [256]usize = @splat(0);
    for (hashes) |each| ends[byte(bit, each)] += 1;
    var next: [256]usize = undefined; // where the next one with this byte goes
    var sum: usize = 0;
    for (&ends, &next) |*end, *place| {
        place.* = sum;
        sum += end.*;
        end.* = sum;
    }
    for (0..256) |value| {
        while (next[value] < ends[value]) {
            const there = byte(bit, hashes[next[value]]);
            if (there != value) std.mem.swap(Hash, &hashes[next[value]], &hashes[next[there]]);
            next[there] += 1;
        }
    }
    var begin: usize = 0;
    for (ends) |end| {
        sortBy(bit - 8, hashes[begin..end]);
        begin = end;
    }
}

fn byte(comptime bit: u6, hash: Hash) u8 {
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
