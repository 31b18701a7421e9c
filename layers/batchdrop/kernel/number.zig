//! Numbers and times, in the narrow forms that need no closer look.

const std = @import("std");
const digit = std.ascii.isDigit;

const MOST_DIGITS = 200; // of one number; what is longer is looked at on its own

/// The end of the JSON number that begins at `start`, or null. An exponent has at most two digits: none overflows.
pub fn end(text: []const u8, start: usize) ?usize {
    var at = start;
    if (at < text.len and text[at] == '-') at += 1;
    at = wholeEnd(text, at) orelse return null;
    if (at < text.len and text[at] == '.') {
        at += 1;
        const first = at;
        while (at < text.len and digit(text[at])) at += 1;
        if (at == first) return null;
    }
    if (at < text.len and (text[at] | 0x20) == 'e') {
        at += 1;
        if (at < text.len and (text[at] == '+' or text[at] == '-')) at += 1;
        const first = at;
        while (at < text.len and digit(text[at])) at += 1;
        if (at == first or at - first > 2) return null;
    }
    return if (at - start > MOST_DIGITS) null else at;
}

pub fn isNumber(text: []const u8) bool {
    return end(text, 0) == text.len;
}

pub fn isInteger(text: []const u8) bool {
    const start: usize = @intFromBool(text.len > 0 and text[0] == '-');
    return text.len <= MOST_DIGITS and wholeEnd(text, start) == text.len;
}

/// Digits without a leading zero.
fn wholeEnd(text: []const u8, start: usize) ?usize {
    var at = start;
    if (at == text.len or !digit(text[at])) return null;
    if (text[at] == '0') return at + 1;
    while (at < text.len and digit(text[at])) at += 1;
    return at;
}

const days = [_]u8{ 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

/// `2025-01-31`, alone or with `T12:00`, seconds, a fraction and a zone. The 29th of February needs a closer look.
pub fn isTimestamp(text: []const u8) bool {
    if (text.len < 10 or text[4] != '-' or text[7] != '-') return false;
    const year = two(text, 0, 99) orelse return false;
    const rest = two(text, 2, 99) orelse return false;
    const month = two(text, 5, 12) orelse return false;
    const day = two(text, 8, 31) orelse return false;
    if (year + rest == 0 or month == 0 or day == 0 or day > days[month - 1]) return false;
    return text.len == 10 or ((text[10] == 'T' or text[10] == ' ') and isTime(text[11..]));
}

fn isTime(text: []const u8) bool {
    if (two(text, 0, 23) == null or text.len < 5 or text[2] != ':' or two(text, 3, 59) == null) return false;
    var at: usize = 5;
    if (at < text.len and text[at] == ':') {
        if (two(text, 6, 59) == null) return false;
        at = 8;
        if (at < text.len and text[at] == '.') {
            const first = at + 1;
            at = first;
            while (at < text.len and digit(text[at])) at += 1;
            if (at == first or at - first > 9) return false;
        }
    }
    return isZone(text[at..]);
}

fn isZone(text: []const u8) bool {
    if (text.len == 0 or std.mem.eql(u8, text, "Z")) return true;
    if (text.len != 6 or (text[0] != '+' and text[0] != '-') or text[3] != ':') return false;
    return two(text, 1, 23) != null and two(text, 4, 59) != null;
}

fn two(text: []const u8, at: usize, most: u8) ?u8 {
    if (text.len < at + 2 or !digit(text[at]) or !digit(text[at + 1])) return null;
    const value = (text[at] - '0') * 10 + (text[at + 1] - '0');
    return if (value > most) null else value;
}
