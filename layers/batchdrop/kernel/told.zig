//! Refusals as vendors tell them: an object a line, with the record's id and words about it.
//!
//! A line is taken where its id and words stand in its object, or the id in the one object within. What is unusual
//! about a line is not judged here: it is left to the careful way (batchdrop/errorfile.py).

const std = @import("std");
const types = @import("types.zig");
const number = @import("number.zig");
const json = @import("json.zig");
const find = @import("text.zig").find;
const Table = @import("refusals.zig").Table;
const Text = types.Text;

const MOST_NAMES = 32; // of fields
const MOST_ID = 1024; // bytes of an id made of several

/// The fields in which an id and the words stand: of the words, the first that says anything counts.
pub const Form = extern struct {
    ids: [*]const Text,
    id_count: usize,
    id_joiner: Text,
    words: [*]const Text, // names of codes, then of messages
    code_count: usize,
    message_count: usize,
    no_code: Text, // what stands for none
    no_message: Text,
};

const Careful = error{Careful};
const Texts = [MOST_NAMES]?[]const u8;

const Line = struct {
    form: *const Form,
    in: []const u8 = "",
    at: usize = 0,
    ids: [2]Texts = undefined, // of the object, and of the one within
    words: Texts = undefined,
    inner: ?[]const u8 = null, // the key of the object within
    has_doubts: bool = false, // something else may hold a record, too
    joined: [MOST_ID]u8 = undefined,

    fn begin(self: *Line, in: []const u8) void {
        self.in = in;
        self.at = 0;
        self.inner = null;
        self.has_doubts = false;
        for (&self.ids) |*texts| {
            for (texts[0..self.form.id_count]) |*text| text.* = null;
        }
        for (self.words[0..self.named().len]) |*text| text.* = null;
    }

    fn read(self: *Line, table: *Table) (Careful || std.mem.Allocator.Error)!void {
        try self.object(0);
        if (self.at != self.in.len) return error.Careful;
        const names = self.form;
        const code = word(self.words[0..names.code_count], names.no_code);
        const message = word(self.words[names.code_count..][0..names.message_count], names.no_message);
        try table.add(try self.id(), code, message, false);
    }

    fn object(self: *Line, depth: usize) Careful!void {
        try self.mark('{');
        if (self.peek() == '}') return self.mark('}');
        while (true) {
            const key = try self.plain();
            try self.mark(':');
            try self.field(depth, key);
            if (self.peek() == '}') return self.mark('}');
            try self.mark(',');
        }
    }

    fn field(self: *Line, depth: usize, key: []const u8) Careful!void {
        const is_inner = depth == 0 and self.inner != null and std.mem.eql(u8, self.inner.?, key);
        if (is_inner) return error.Careful;
        if (depth == 0 and self.peek() == '{') {
            if (self.inner != null) self.has_doubts = true;
            if (self.inner != null or self.isAWord(key)) return error.Careful;
            self.inner = key;
            return self.object(1);
        }
        const text = try self.value();
        if (depth == 0 and text[0] == '"' and types.has(text, "{\\")) self.has_doubts = true;
        try note(self.form.ids[0..self.form.id_count], &self.ids[depth], key, text, false);
        if (depth == 0) try note(self.named(), &self.words, key, text, true);
    }

    fn value(self: *Line) Careful![]const u8 {
        const begun = self.at;
        if (self.peek() == '"') {
            const next = find(self.in, self.at + 1, .{ '"', '\\' });
            if (next < self.in.len and self.in[next] == '"') self.at = next + 1;
        } else if (number.end(self.in, self.at)) |end| self.at = end;
        if (self.at == begun) self.at = json.endOf(self.in, begun) orelse return error.Careful;
        const end = self.at;
        try self.space();
        return self.in[begun..end];
    }

    /// A text without escapes.
    fn plain(self: *Line) Careful![]const u8 {
        if (self.peek() != '"') return error.Careful;
        const begun = self.at + 1;
        const next = find(self.in, begun, .{ '"', '\\' });
        if (next == self.in.len or self.in[next] != '"') return error.Careful;
        self.at = next + 1;
        try self.space();
        return self.in[begun..next];
    }

    /// The id in the object, or else in the one within; one that is there by half needs a closer look.
    fn id(self: *Line) Careful![]const u8 {
        const count = self.form.id_count;
        const outer = has(self.ids[0][0..count]);
        if (!outer and (self.has_doubts or self.inner == null)) return error.Careful;
        const parts = self.ids[if (outer) 0 else 1][0..count];
        if (count == 1) return parts[0] orelse error.Careful;
        var len: usize = 0;
        for (parts, 0..) |part, i| {
            for ([_][]const u8{ if (i > 0) self.form.id_joiner.slice() else "", part orelse return error.Careful }) |piece| {
                if (piece.len > self.joined.len - len) return error.Careful;
                @memcpy(self.joined[len..][0..piece.len], piece);
                len += piece.len;
            }
        }
        return self.joined[0..len];
    }

    fn isAWord(self: *Line, key: []const u8) bool {
        for (self.named()) |name| {
            if (std.mem.eql(u8, name.slice(), key)) return true;
        }
        for (self.form.ids[0..self.form.id_count]) |name| {
            if (std.mem.eql(u8, name.slice(), key)) return true;
        }
        return false;
    }

    fn named(self: *Line) []const Text {
        return self.form.words[0 .. self.form.code_count + self.form.message_count];
    }

    fn mark(self: *Line, c: u8) Careful!void {
        if (self.peek() != c) return error.Careful;
        self.at += 1;
        try self.space();
    }

    /// Pass over space; the other kind of it, a carriage return, is unusual.
    fn space(self: *Line) Careful!void {
        while (self.at < self.in.len and (self.in[self.at] == ' ' or self.in[self.at] == '\t')) self.at += 1;
        if (self.peek() == '\r') return error.Careful;
    }

    fn peek(self: *Line) u8 {
        return if (self.at < self.in.len) self.in[self.at] else 0;
    }
};

/// Keep a value that is a text, a number or nothing under the names that are its key.
fn note(names: []const Text, texts: *Texts, key: []const u8, value: []const u8, is_word: bool) Careful!void {
    for (names, texts[0..names.len]) |name, *text| {
        if (name.len != key.len or !std.mem.eql(u8, name.slice(), key)) continue;
        if (text.* != null) return error.Careful;
        text.* = try said(value, is_word);
    }
}

fn said(value: []const u8, is_word: bool) Careful![]const u8 {
    if (is_word and std.mem.eql(u8, value, "null")) return "";
    const text = if (value[0] == '"') value[1 .. value.len - 1] else value;
    if (value[0] != '"' and value[0] != '-' and !std.ascii.isDigit(value[0])) return error.Careful;
    if (std.mem.indexOfScalar(u8, text, '\\') != null) return error.Careful;
    if (!is_word) return if (text.len > 0) text else error.Careful;
    const bare = std.mem.trim(u8, text, " ");
    // What is not ASCII may be a space, too.
    return if (bare.len > 0 and (isSpace(bare, 0) or isSpace(bare, lastAt(bare)))) error.Careful else bare;
}

fn lastAt(text: []const u8) usize {
    var at = text.len - 1;
    while (at > 0 and text[at] & 0xC0 == 0x80) at -= 1;
    return at;
}

fn isSpace(text: []const u8, at: usize) bool {
    if (text[at] < 0x80) return false;
    const len = std.unicode.utf8ByteSequenceLength(text[at]) catch return true;
    return switch (std.unicode.utf8Decode(text[at..][0..len]) catch return true) {
        0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000 => true,
        else => false,
    };
}

fn has(parts: []const ?[]const u8) bool {
    for (parts) |part| {
        if (part != null) return true;
    }
    return false;
}

fn word(texts: []const ?[]const u8, otherwise: Text) []const u8 {
    for (texts) |text| {
        if (text) |found| {
            if (found.len > 0) return found;
        }
    }
    return otherwise.slice();
}

/// Keep the refusals of lines, from `start` on; the place of the first line that needs a closer look or is not all
/// there. None where there is no memory.
export fn batchdrop_refusals_read(table: *Table, form: *const Form, ptr: [*]const u8, len: usize, start: usize) usize {
    const in = ptr[0..len];
    var at = start;
    var line = Line{ .form = form };
    while (std.mem.indexOfScalarPos(u8, in, at, '\n')) |end| : (at = end + 1) {
        const text = std.mem.trim(u8, in[at..end], " \t\r");
        if (!std.unicode.utf8ValidateSlice(text)) break;
        line.begin(text);
        line.read(table) catch |failure| {
            if (failure == error.OutOfMemory) return std.math.maxInt(usize);
            break;
        };
    }
    return at;
}
