//! Searching and copying short texts, sixteen bytes at a time.

const std = @import("std");

const WIDTH = 16;
const Block = @Vector(WIDTH, u8);
const Bits = u16;

/// The place of the first byte from `start` on that is a control character or one of `marks`; the end if there is none.
pub inline fn find(text: []const u8, start: usize, marks: anytype) usize {
    var at = start;
    while (at + WIDTH <= text.len) : (at += WIDTH) {
        const block: Block = text[at..][0..WIDTH].*;
        var bits: Bits = @bitCast(block < @as(Block, @splat(0x20)));
        inline for (marks) |mark| bits |= @bitCast(block == @as(Block, @splat(mark)));
        if (bits != 0) return at + @ctz(bits);
    }
    while (at < text.len) : (at += 1) {
        const c = text[at];
        if (c < 0x20) return at;
        inline for (marks) |mark| if (c == mark) return at;
    }
    return at;
}

/// How many line ends there are.
pub fn lines(text: []const u8) usize {
    const wide = 64;
    var count: usize = 0;
    var at: usize = 0;
    while (at + wide <= text.len) : (at += wide) {
        const block: @Vector(wide, u8) = text[at..][0..wide].*;
        count += @popCount(@as(u64, @bitCast(block == @as(@Vector(wide, u8), @splat('\n')))));
    }
    for (text[at..]) |c| count += @intFromBool(c == '\n');
    return count;
}

/// The length of the beginning of the text that is UTF-8. Most characters take one byte.
pub fn utf8(text: []const u8) usize {
    var at: usize = 0;
    while (true) {
        while (at + WIDTH <= text.len) : (at += WIDTH) {
            const bits: Bits = @bitCast(@as(Block, text[at..][0..WIDTH].*) >= @as(Block, @splat(0x80)));
            if (bits == 0) continue;
            at += @ctz(bits);
            break;
        }
        if (at == text.len) return at;
        const length = std.unicode.utf8ByteSequenceLength(text[at]) catch return at;
        if (length > text.len - at or !std.unicode.utf8ValidateSlice(text[at..][0..length])) return at;
        at += length;
    }
}

/// Copy into a place of the same length; quicker than a call for the few bytes of a cell.
pub inline fn copy(to: []u8, from: []const u8) void {
    const len = from.len;
    if (len >= WIDTH) {
        var at: usize = 0;
        while (at + WIDTH <= len) : (at += WIDTH) to[at..][0..WIDTH].* = from[at..][0..WIDTH].*;
        to[len - WIDTH ..][0..WIDTH].* = from[len - WIDTH ..][0..WIDTH].*;
    } else if (len >= 8) {
        ends(8, to, from);
    } else if (len >= 4) {
        ends(4, to, from);
    } else {
        for (from, to) |c, *place| place.* = c;
    }
}

/// Whether two short texts of the same length are the same; quicker than a call for the few bytes of a key.
pub inline fn same(a: []const u8, b: []const u8) bool {
    const len = a.len;
    if (len >= WIDTH) return std.mem.eql(u8, a, b);
    if (len >= 8) return sameEnds(u64, a, b);
    if (len >= 4) return sameEnds(u32, a, b);
    for (a, b) |one, other| if (one != other) return false;
    return true;
}

inline fn sameEnds(comptime Word: type, a: []const u8, b: []const u8) bool {
    const width = @sizeOf(Word);
    const first: Word = @bitCast(a[0..width].*);
    const last: Word = @bitCast(a[a.len - width ..][0..width].*);
    return first == @as(Word, @bitCast(b[0..width].*)) and last == @as(Word, @bitCast(b[b.len - width ..][0..width].*));
}

inline fn ends(comptime width: usize, to: []u8, from: []const u8) void {
    to[0..width].* = from[0..width].*;
    to[from.len - width ..][0..width].* = from[from.len - width ..][0..width].*;
}
