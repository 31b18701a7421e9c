//! JSON records: where they end, and whether they are sound. Their bytes are left alone.

const std = @import("std");
const types = @import("types.zig");
const number = @import("number.zig");
const find = @import("text.zig").find;
const same = @import("text.zig").same;

const Failure = types.Failure;
const Found = types.Found;
const Out = types.Out;
const Text = types.Text;

const MOST_KEYS = 512; // at one time: of an object and of those around it
const MOST_WANTED = 16;
const MOST_PARTS = 8;
const OURS = "batchdrop_line"; // the mark of a rejects file dropped again

pub const Need = enum(u32) { filled, id };

/// A field that must be there. `path` is its whole name; its parts may be nested objects instead.
pub const Wanted = extern struct { need: Need, path: Text };

/// A top-level key that gets another name, or none: then it is left out. Both with their quotes.
pub const Renamed = extern struct { from: Text, to: Text };

pub const Spec = extern struct {
    is_array: bool,
    separator: u8, // after each record
    deepest: u32,
    wanted: [*]const Wanted,
    wanted_count: usize,
    renamed: [*]const Renamed,
    renamed_count: usize,
    id_joiner: Text,
    forbidden: Text, // characters no id may hold
    longest: usize, // bytes of a record in the source
};

const Pair = struct { key: []const u8, value: []const u8 };

const nothing = [0]u8{};
const alone = Spec{
    .is_array = false,
    .separator = '\n',
    .deepest = 64,
    .wanted = undefined,
    .wanted_count = 0,
    .renamed = undefined,
    .renamed_count = 0,
    .id_joiner = .{ .ptr = null, .len = 0 },
    .forbidden = .{ .ptr = null, .len = 0 },
    .longest = 0,
};

/// Whether the text is one JSON value in which nothing needs a closer look.
pub fn isSound(text: []const u8) bool {
    const found = endOf(text, 0) orelse return false;
    for (text[found..]) |c| {
        if (!isSpace(c)) return false;
    }
    return true;
}

/// The end of the JSON value that begins at `start`, if nothing in it needs a closer look. Not inlined: a parser takes
/// much of the stack, and to walk through that takes time.
pub noinline fn endOf(text: []const u8, start: usize) ?usize {
    var parser = Parser.init(&alone, text);
    parser.at = start;
    parser.value(0, 0) catch return null;
    return parser.at;
}

/// Records of one text, one after the other.
pub const Reader = struct {
    spec: *const Spec,
    in: []const u8,
    parser: Parser,
    start: usize = 0,
    end: usize = 0,
    after: usize = 0, // where the next record begins

    pub fn init(spec: *const Spec, in: []const u8) Reader {
        return .{ .spec = spec, .in = in, .parser = Parser.init(spec, in) };
    }

    /// The next record from `at` on: its `start` and its `end`, and whether it is sound if that is asked for.
    pub fn next(self: *Reader, from: usize, is_checked: bool) Found {
        self.start = from;
        if (!self.spec.is_array) return self.nextLine(from, is_checked);
        while (self.start < self.in.len and isSpace(self.in[self.start])) self.start += 1;
        if (self.start == self.in.len) return .more;
        if (self.in[self.start] == ']') return .closed;
        if (is_checked and self.element()) return self.measured(.record);
        const mark = skip(self.in, self.start) orelse return .more;
        if (self.in[mark] == '}') return .broken; // it closes nothing
        self.end = mark;
        while (self.end > self.start and isSpace(self.in[self.end - 1])) self.end -= 1;
        self.after = mark + @intFromBool(self.in[mark] == ',');
        return self.measured(if (is_checked) .careful else .record);
    }

    fn measured(self: *Reader, found: Found) Found {
        return if (self.end - self.start > self.spec.longest) .careful else found;
    }

    /// Whether a sound element, and what ends it, is at `start`.
    fn element(self: *Reader) bool {
        self.parser.begin(self.in, self.start);
        self.parser.record() catch return false;
        self.end = self.parser.at;
        self.parser.space();
        const mark = self.parser.at;
        if (mark == self.in.len or (self.in[mark] != ',' and self.in[mark] != ']')) return false;
        self.after = mark + @intFromBool(self.in[mark] == ',');
        return true;
    }

    fn nextLine(self: *Reader, from: usize, is_checked: bool) Found {
        if (is_checked and self.line()) return self.measured(.record);
        while (true) {
            const end = std.mem.indexOfScalarPos(u8, self.in, self.start, '\n') orelse {
                if (isBlank(self.in[self.start..])) self.start = from;
                return .more;
            };
            self.end = end;
            self.after = end + 1;
            if (!isBlank(self.in[self.start..end])) break;
            self.start = end + 1;
        }
        return self.measured(if (is_checked) .careful else .record);
    }

    /// Whether a sound record is alone in the next line that is not blank.
    fn line(self: *Reader) bool {
        var at = self.start;
        while (at < self.in.len and isSpace(self.in[at])) : (at += 1) {
            if (self.in[at] == '\n') self.start = at + 1;
        }
        self.parser.begin(self.in, at);
        self.parser.record() catch return false;
        if (self.parser.has_line_feed) return false;
        self.end = self.parser.at;
        while (self.end < self.in.len and self.in[self.end] != '\n') : (self.end += 1) {
            if (!isSpace(self.in[self.end])) return false;
        }
        self.after = self.end + 1;
        return self.end < self.in.len;
    }

    /// Whether it is one line that ends in the bracket of an object with anything in it.
    pub fn isPlain(self: *Reader) bool {
        return !self.parser.has_line_feed and self.in[self.end - 1] == '}' and self.parser.seen_at > 0;
    }

    /// More bytes than the record can need.
    pub fn most(self: *Reader) usize {
        return if (self.spec.renamed_count > 0) std.math.maxInt(usize) else self.end - self.start + 1;
    }

    /// Nothing is left to be checked.
    pub fn check(_: *Reader, _: *Out) Failure!void {}

    /// Write the record with its separator.
    pub fn encode(self: *Reader, out: *Out) Failure!void {
        const begun = out.len;
        if (self.spec.renamed_count > 0) try self.parser.rewritten(out) else try out.put(self.in[self.start..self.end]);
        if (self.parser.has_line_feed) std.mem.replaceScalar(u8, out.room[begun..out.len], '\n', ' ');
        try out.byte(self.spec.separator);
    }

    /// The id, its parts joined.
    pub fn id(self: *Reader, out: *Out) Failure!void {
        var first = true;
        for (self.parser.found[0..self.spec.wanted_count], self.spec.wanted) |text, wanted| {
            if (wanted.need != .id) continue;
            if (!first) try out.put(self.spec.id_joiner.slice());
            first = false;
            try out.put(text);
        }
    }
};

const Parser = struct {
    spec: *const Spec,
    in: []const u8,
    at: usize = 0,
    keys: [MOST_KEYS][]const u8 = undefined,
    key_count: usize = 0,
    seen: [MOST_KEYS + 1]Seen = undefined, // the keys of the record before, in their order
    seen_count: usize = 0,
    seen_at: usize = 0,
    object_count: usize = 0, // objects of the record begun so far
    is_sound: bool = false,
    is_alike: bool = false, // so far this record has the keys of the one before it
    pairs: [MOST_KEYS]Pair = undefined, // of the record itself
    pair_count: usize = 0,
    wanted: [MOST_WANTED]Path = undefined,
    found: [MOST_WANTED][]const u8 = undefined, // the texts of the wanted fields
    found_count: usize = 0,
    has_line_feed: bool = false,

    /// A key of the record before: what stands there from its first quote to its value, and what it was there.
    const Seen = struct {
        text: []const u8,
        key: []const u8,
        object: usize, // 0: look again
        depth: u32,
        active: u32,
        leads: u32, // the wanted fields whose path goes on below it
        is_wanted: bool,
    };
    const Path = struct {
        whole: []const u8,
        parts: [MOST_PARTS][]const u8,
        count: usize,
        need: Need,

        /// Whether it ends at this key.
        fn isAt(self: *const Path, key: []const u8, depth: u32) bool {
            if (depth == self.count and std.mem.eql(u8, self.parts[depth - 1], key)) return true;
            return depth == 1 and std.mem.eql(u8, self.whole, key);
        }
    };

    fn bit(i: usize) u32 {
        return @as(u32, 1) << @intCast(i);
    }

    fn init(spec: *const Spec, in: []const u8) Parser {
        var parser = Parser{ .spec = spec, .in = in };
        for (spec.wanted[0..spec.wanted_count], 0..) |wanted, i| {
            var path = Path{ .whole = wanted.path.slice(), .parts = undefined, .count = 0, .need = wanted.need };
            var parts = std.mem.splitScalar(u8, path.whole, '.');
            while (parts.next()) |part| : (path.count += 1) path.parts[path.count] = part;
            parser.wanted[i] = path;
        }
        return parser;
    }

    fn begin(self: *Parser, in: []const u8, at: usize) void {
        self.in = in;
        self.at = at;
        self.key_count = 0;
        self.object_count = 0;
        self.seen_count = if (self.is_sound) self.seen_at else 0;
        self.is_sound = false;
        self.seen_at = 0;
        self.is_alike = true;
        self.pair_count = 0;
        self.found_count = 0;
        self.has_line_feed = false;
        for (self.found[0..self.spec.wanted_count]) |*text| text.* = &nothing;
    }

    /// An object with all it must have.
    fn record(self: *Parser) Failure!void {
        self.space();
        if (self.peek() != '{') return error.Careful;
        const all = (@as(u32, 1) << @intCast(self.spec.wanted_count)) - 1;
        try self.object(1, all);
        if (self.found_count != self.spec.wanted_count) return error.Careful;
        self.is_sound = true;
    }

    /// Any value. `active`: the wanted fields whose path leads here.
    fn value(self: *Parser, depth: u32, active: u32) Failure!void {
        self.space();
        switch (self.peek()) {
            '"' => _ = try self.string(),
            '{' => try self.object(depth + 1, active),
            '[' => try self.array(depth + 1),
            else => self.at = simple(self.in, self.at) orelse return error.Careful,
        }
    }

    fn object(self: *Parser, depth: u32, active: u32) Failure!void {
        if (depth > self.spec.deepest) return error.Careful;
        const first = self.key_count;
        self.object_count += 1;
        const object_number = self.object_count;
        self.at += 1;
        self.space();
        if (self.peek() == '}') {
            self.at += 1;
            return;
        }
        while (true) {
            if (self.is_alike and !(depth == 1 and self.spec.renamed_count > 0)) self.pass(object_number, depth, active);
            if (self.key_count == MOST_KEYS) return error.Careful;
            const slot = &self.seen[self.seen_at]; // the last one is of use for one key after the other
            if (!self.isAsBefore(slot, object_number, depth, active)) {
                slot.* = try self.looked(first, object_number, depth, active);
            }
            const key = slot.key;
            const is_wanted = slot.is_wanted;
            self.keys[self.key_count] = key;
            self.key_count += 1;
            self.seen_at = @min(self.seen_at + 1, MOST_KEYS);
            self.space(); // the record before may have had less of it here
            const begun = self.at;
            try self.value(depth, slot.leads);
            if (depth == 1 and self.spec.renamed_count > 0) self.note(key, self.in[begun..self.at]);
            if (is_wanted) try self.take(key, depth, active, self.in[begun..self.at]);
            self.space();
            const mark = self.peek();
            self.at += 1;
            if (mark == '}') break;
            if (mark != ',') return error.Careful;
            self.space();
        }
        self.key_count = first;
    }

    fn array(self: *Parser, depth: u32) Failure!void {
        if (depth > self.spec.deepest) return error.Careful;
        self.at += 1;
        self.space();
        if (self.peek() == ']') {
            self.at += 1;
            return;
        }
        while (true) {
            try self.value(depth, 0);
            self.space();
            const mark = self.peek();
            self.at += 1;
            if (mark == ']') return;
            if (mark != ',') return error.Careful;
        }
    }

    /// Pass the keys that the record before had here, after the same keys, with simple values that nobody wants: as a
    /// rule all but a few, and never the last one of an object.
    fn pass(self: *Parser, object_number: usize, depth: u32, active: u32) void {
        const first = self.seen_at;
        const last = @max(first, @min(self.seen_count, first + MOST_KEYS - self.key_count));
        for (self.seen[first..last], self.keys[self.key_count..][0 .. last - first]) |*seen, *key| {
            if (seen.object != object_number or seen.depth != depth or seen.active != active or seen.is_wanted) break;
            self.at = passed(self.in, self.at, seen.text) orelse break;
            self.space();
            key.* = seen.key;
            self.seen_at += 1;
        }
        self.key_count += self.seen_at - first;
    }

    /// Whether here is the key that the record before had here, after the same keys: it was looked at already.
    inline fn isAsBefore(self: *Parser, before: *const Seen, object_number: usize, depth: u32, active: u32) bool {
        const end = self.at + before.text.len;
        self.is_alike = self.is_alike and self.seen_at < self.seen_count and before.object == object_number and
            before.depth == depth and before.active == active and end <= self.in.len and
            same(self.in[self.at..end], before.text);
        if (self.is_alike) self.at = end;
        return self.is_alike;
    }

    /// The next key, up to its value.
    fn looked(self: *Parser, first: usize, object_number: usize, depth: u32, active: u32) Failure!Seen {
        const begun = self.at;
        const had_line_feed = self.has_line_feed;
        self.has_line_feed = false;
        const key = try self.string();
        try self.once(key, first, depth);
        self.space();
        if (self.peek() != ':') return error.Careful;
        self.at += 1;
        self.space();
        const is_simple = !self.has_line_feed; // a line feed is to be seen in each record
        self.has_line_feed = self.has_line_feed or had_line_feed;
        var seen = Seen{
            .text = self.in[begun..self.at],
            .key = key,
            .object = if (is_simple) object_number else 0,
            .depth = depth,
            .active = active,
            .leads = 0,
            .is_wanted = false,
        };
        if (active == 0) return seen;
        seen.leads = self.below(key, depth, active);
        for (self.wanted[0..self.spec.wanted_count], 0..) |path, i| {
            if (active & bit(i) != 0 and path.isAt(key, depth)) seen.is_wanted = true;
        }
        return seen;
    }

    /// A key must not be there twice; one with escapes may be the same as another though it looks different.
    fn once(self: *Parser, key: []const u8, first: usize, depth: u32) Failure!void {
        if (depth == 1 and std.mem.eql(u8, key, OURS)) return error.Careful;
        if (std.mem.indexOfScalar(u8, key, '\\') != null) return error.Careful;
        for (self.keys[first..self.key_count]) |other| {
            if (std.mem.eql(u8, other, key)) return error.Careful;
        }
    }

    fn note(self: *Parser, key: []const u8, text: []const u8) void {
        self.pairs[self.pair_count] = .{ .key = key, .value = text };
        self.pair_count += 1;
    }

    /// The wanted fields whose path goes on below this key.
    fn below(self: *Parser, key: []const u8, depth: u32, active: u32) u32 {
        var still: u32 = 0;
        for (self.wanted[0..self.spec.wanted_count], 0..) |path, i| {
            if (active & bit(i) != 0 and depth < path.count and std.mem.eql(u8, path.parts[depth - 1], key)) still |= bit(i);
        }
        return still;
    }

    /// Keep the text of a wanted field. One that is there under its whole name and by its parts is not this plain.
    fn take(self: *Parser, key: []const u8, depth: u32, active: u32, text: []const u8) Failure!void {
        for (self.wanted[0..self.spec.wanted_count], 0..) |path, i| {
            if (active & bit(i) == 0 or !path.isAt(key, depth)) continue;
            if (self.found[i].len > 0) return error.Careful;
            self.found[i] = try self.filled(text, path.need);
            self.found_count += 1;
        }
    }

    /// What is in a field that must be there; of an id, the text without its quotes.
    fn filled(self: *Parser, text: []const u8, need: Need) Failure![]const u8 {
        if (std.mem.eql(u8, text, "null") or std.mem.eql(u8, text, "\"\"")) return error.Careful;
        if (need == .filled) return text;
        if (text[0] != '"' and text[0] != '-' and !std.ascii.isDigit(text[0])) return error.Careful;
        const bare = if (text[0] == '"') text[1 .. text.len - 1] else text;
        if (types.has(bare, "\\") or types.has(bare, self.spec.forbidden.slice())) return error.Careful;
        return bare;
    }

    /// The record with other names for some of its keys, and without some.
    fn rewritten(self: *Parser, out: *Out) Failure!void {
        const begun = out.len;
        try out.byte('{');
        for (self.pairs[0..self.pair_count]) |pair| {
            const name = self.renamed(pair.key);
            if (name) |new| {
                if (new.len == 0) continue;
                for (self.pairs[0..self.pair_count]) |other| {
                    if (std.mem.eql(u8, new[1 .. new.len - 1], other.key)) return error.Careful;
                }
            }
            if (out.len > begun + 1) try out.byte(',');
            if (name) |new| try out.put(new) else {
                try out.byte('"');
                try out.put(pair.key);
                try out.byte('"');
            }
            try out.byte(':');
            try out.put(pair.value);
        }
        try out.byte('}');
    }

    /// The new name of a key, with its quotes; an empty one if it is left out.
    fn renamed(self: *Parser, key: []const u8) ?[]const u8 {
        for (self.spec.renamed[0..self.spec.renamed_count]) |change| {
            const from = change.from.slice();
            if (std.mem.eql(u8, from[1 .. from.len - 1], key)) return change.to.slice();
        }
        return null;
    }

    /// A text's characters between its quotes, escapes as they are.
    fn string(self: *Parser) Failure![]const u8 {
        if (self.peek() != '"') return error.Careful;
        const begun = self.at + 1;
        var at = find(self.in, begun, .{ '"', '\\' });
        while (at < self.in.len) : (at = find(self.in, at + 1, .{ '"', '\\' })) {
            const c = self.in[at];
            if (c == '"') {
                self.at = at + 1;
                return self.in[begun..at];
            }
            if (c != '\\') return error.Careful;
            at += 1;
            if (at == self.in.len) break;
            switch (self.in[at]) {
                '"', '\\', '/', 'b', 'f', 'n', 'r', 't' => {},
                'u' => at = try self.character(at),
                else => return error.Careful,
            }
        }
        return error.Careful;
    }

    /// The place of the last digit of `\uXXXX`, or of a pair of them. Half a pair is no character.
    fn character(self: *Parser, at: usize) Failure!usize {
        const high = try self.unit(at);
        if (high & 0xF800 != 0xD800) return at + 4;
        if (high >= 0xDC00 or at + 6 >= self.in.len or self.in[at + 5] != '\\') return error.Careful;
        const low = try self.unit(at + 6);
        return if (low & 0xFC00 == 0xDC00) at + 10 else error.Careful;
    }

    fn unit(self: *Parser, at: usize) Failure!u16 {
        if (at + 4 >= self.in.len or self.in[at] != 'u') return error.Careful;
        var sum: u16 = 0;
        for (self.in[at + 1 .. at + 5]) |c| {
            sum = sum * 16 + (std.fmt.charToDigit(c, 16) catch return error.Careful);
        }
        return sum;
    }

    inline fn space(self: *Parser) void {
        if (self.at < self.in.len and self.in[self.at] <= ' ') self.spaces();
    }

    noinline fn spaces(self: *Parser) void {
        while (self.at < self.in.len and isSpace(self.in[self.at])) : (self.at += 1) {
            if (self.in[self.at] == '\n') self.has_line_feed = true;
        }
    }

    fn peek(self: *Parser) u8 {
        return if (self.at < self.in.len) self.in[self.at] else 0;
    }
};

/// The place behind the comma, if here stand this key, a simple value and a comma.
inline fn passed(in: []const u8, start: usize, key: []const u8) ?usize {
    const begun = start + key.len;
    if (begun > in.len or !same(in[start..begun], key)) return null;
    const end = simple(in, begun) orelse return null;
    return if (end < in.len and in[end] == ',') end + 1 else null;
}

/// The end of a value that is neither object nor array and has no escapes.
inline fn simple(in: []const u8, at: usize) ?usize {
    switch (if (at < in.len) in[at] else 0) {
        '"' => {
            const end = find(in, at + 1, .{ '"', '\\' });
            return if (end < in.len and in[end] == '"') end + 1 else null;
        },
        't' => return wordEnd(in, at, "true"),
        'f' => return wordEnd(in, at, "false"),
        'n' => return wordEnd(in, at, "null"),
        else => return number.end(in, at),
    }
}

fn wordEnd(in: []const u8, at: usize, comptime word: []const u8) ?usize {
    return if (std.mem.startsWith(u8, in[at..], word)) at + word.len else null;
}

fn isSpace(c: u8) bool {
    return c == ' ' or c == '\n' or c == '\r' or c == '\t';
}

fn isBlank(text: []const u8) bool {
    for (text) |c| {
        if (!isSpace(c) and c != 11 and c != 12) return false;
    }
    return true;
}

/// The comma or bracket after the element that begins at `start`, by its strings and brackets alone.
fn skip(in: []const u8, start: usize) ?usize {
    var depth: usize = 0;
    var at = start;
    while (at < in.len) : (at += 1) {
        switch (in[at]) {
            '"' => {
                at = find(in, at + 1, .{ '"', '\\' });
                while (at < in.len and in[at] != '"') {
                    at = find(in, at + 1 + @as(usize, @intFromBool(in[at] == '\\')), .{ '"', '\\' });
                }
            },
            '{', '[' => depth += 1,
            '}', ']' => {
                if (depth == 0) return at;
                depth -= 1;
            },
            ',' => if (depth == 0) return at,
            else => {},
        }
    }
    return null;
}
