//! CSV rows: where they end, and what they are as JSON or CSV records.

const std = @import("std");
const types = @import("types.zig");
const number = @import("number.zig");
const json = @import("json.zig");
const find = @import("text.zig").find;

const Failure = types.Failure;
const Found = types.Found;
const Out = types.Out;
const Text = types.Text;

pub const MOST_COLUMNS = 2048;

pub const Kind = enum(u32) { string, integer, number, boolean, timestamp, list, json, open, close };

/// One step of writing a record: a column's value, or the brackets of an object around some of them.
pub const Op = extern struct {
    kind: Kind,
    column: u32,
    key: Text, // with what is around it: `,"price":` or `,"address":{`
    empty: Text, // what an empty cell becomes; nothing: it is left out
};

pub const Target = enum(u32) { lines, csv, as_is };

pub const Spec = extern struct {
    delimiter: u8,
    quote: u8,
    separator: u8, // after each record
    quote_all: bool,
    target: Target,
    columns: u32,
    ops: [*]const Op,
    op_count: usize,
    required: [*]const u32,
    required_count: usize,
    ids: [*]const u32,
    id_count: usize,
    id_joiner: Text,
    forbidden: Text, // characters no id may hold
    longest: usize, // bytes of a record in the source
    all_careful: bool,
};

const Cell = struct {
    text: []const u8,
    is_quoted: bool,
    special: bool, // it holds a doubled quote, or what JSON has to escape
};

const Class = enum(u8) { plain, delimiter, line_feed, carriage_return, quote, special, nul };

/// Rows of one text, one after the other.
pub const Reader = struct {
    spec: *const Spec,
    in: []const u8,
    class: [256]Class,
    cells: [MOST_COLUMNS]Cell = undefined,
    count: usize = 0,
    start: usize = 0,
    end: usize = 0,
    after: usize = 0, // where the next row begins
    around: usize = 8, // bytes of a record beside its cells, at most

    pub fn init(spec: *const Spec, in: []const u8) Reader {
        var class: [256]Class = @splat(.plain);
        for (0..0x20) |c| class[c] = .special;
        class['"'] = .special;
        class['\\'] = .special;
        class[0] = .nul;
        class['\n'] = .line_feed;
        class['\r'] = .carriage_return;
        class[spec.quote] = .quote;
        class[spec.delimiter] = .delimiter;
        var reader = Reader{ .spec = spec, .in = in, .class = class };
        for (spec.ops[0..spec.op_count]) |op| reader.around += op.key.len + op.empty.len + 4;
        return reader;
    }

    /// The next row that is not blank, from `at` on: its cells, its `start` and its `end`.
    pub fn next(self: *Reader, from: usize, _: bool) Found {
        var at = from;
        while (at < self.in.len) {
            if (self.in[at] == '\n') {
                at += 1;
            } else if (self.in[at] == '\r' and at + 1 < self.in.len and self.in[at + 1] == '\n') {
                at += 2;
            } else break;
        }
        self.start = at;
        self.count = 0;
        var careful = self.spec.all_careful;
        while (true) {
            const cell_start = at;
            var special = false;
            if (at < self.in.len and self.class[self.in[at]] == .quote) {
                at = self.quoted(at + 1, &special, &careful) orelse return .more;
                self.add(.{ .text = self.in[cell_start + 1 .. at - 1], .is_quoted = true, .special = special });
                if (at == self.in.len) return .more;
            } else {
                at = self.bare(at, &special, &careful) orelse return .more;
                self.add(.{ .text = self.in[cell_start..at], .is_quoted = false, .special = special });
            }
            switch (self.class[self.in[at]]) {
                .delimiter => at += 1,
                .line_feed => {
                    self.after = at + 1;
                    break;
                },
                .carriage_return => {
                    if (at + 1 == self.in.len) return .more;
                    if (self.in[at + 1] != '\n') return .broken;
                    self.after = at + 2;
                    break;
                },
                else => return .broken,
            }
        }
        self.end = self.after;
        if (self.end - self.start > self.spec.longest or self.count != self.spec.columns) careful = true;
        return if (careful) .careful else .record;
    }

    fn add(self: *Reader, cell: Cell) void {
        if (self.count < MOST_COLUMNS) self.cells[self.count] = cell;
        self.count += 1;
    }

    /// The place after the closing quote.
    fn quoted(self: *Reader, from: usize, special: *bool, careful: *bool) ?usize {
        const marks = .{ self.spec.quote, '"', '\\' };
        var at = find(self.in, from, marks);
        while (at < self.in.len) : (at = find(self.in, at + 1, marks)) {
            switch (self.class[self.in[at]]) {
                .plain => {},
                .delimiter => special.* = special.* or self.spec.delimiter < 0x20, // a tab is to be escaped
                .quote => {
                    if (at + 1 == self.in.len or self.class[self.in[at + 1]] != .quote) return at + 1;
                    special.* = true;
                    at += 1;
                },
                .nul => careful.* = true,
                else => special.* = true,
            }
        }
        return null;
    }

    /// The place of the delimiter or line end after a cell without quotes around it.
    fn bare(self: *Reader, from: usize, special: *bool, careful: *bool) ?usize {
        const marks = .{ self.spec.delimiter, self.spec.quote, '"', '\\' };
        var at = find(self.in, from, marks);
        while (at < self.in.len) : (at = find(self.in, at + 1, marks)) {
            switch (self.class[self.in[at]]) {
                .plain => {},
                .delimiter, .line_feed => return at,
                .carriage_return => {
                    if (at + 1 == self.in.len) return null;
                    if (self.in[at + 1] == '\n') return at;
                    careful.* = true;
                },
                .nul => careful.* = true,
                // A quote inside a bare cell is a character like any other, but written twice it is not one.
                .quote, .special => special.* = true,
            }
        }
        return null;
    }

    /// Whether no cell is one a spreadsheet could run.
    pub fn isPlain(self: *Reader) bool {
        for (self.cells[0..self.count]) |cell| {
            if (cell.text.len > 0 and types.has(cell.text[0..1], "'=+-@\t\r\n")) return false;
        }
        return true;
    }

    /// More bytes than the record can need: an escaped character takes six.
    pub fn most(self: *Reader) usize {
        return 6 * (self.end - self.start) + self.around;
    }

    /// As `encode`, as far as something can be wrong; what it writes is thrown away.
    pub fn check(self: *Reader, out: *Out) Failure!void {
        try self.bounds();
        for (self.spec.ops[0..self.spec.op_count]) |op| switch (op.kind) {
            .string, .open, .close => {},
            else => {
                const cell = self.cells[op.column];
                if (cell.text.len > 0) try self.value(cell, op.kind, out);
            },
        };
    }

    /// That all is there that must be, and nothing that must not.
    fn bounds(self: *Reader) Failure!void {
        const spec = self.spec;
        for (spec.required[0..spec.required_count]) |column| {
            if (self.cells[column].text.len == 0) return error.Careful;
        }
        for (spec.ids[0..spec.id_count]) |column| {
            if (types.has(self.cells[column].text, spec.forbidden.slice())) return error.Careful;
        }
    }

    /// Write the row as a record, with its separator.
    pub fn encode(self: *Reader, out: *Out) Failure!void {
        const begun = out.len;
        if (self.spec.target == .lines) {
            try self.bounds();
            try self.object(out);
            return out.byte(self.spec.separator);
        }
        try self.check(out);
        out.len = begun;
        if (self.spec.target == .as_is) try out.put(self.in[self.start..self.end]) else try self.line(out);
    }

    fn object(self: *Reader, out: *Out) Failure!void {
        var waiting: [64]Text = undefined; // objects not begun yet: they may stay empty and be left out
        var waiting_count: usize = 0;
        var first = true;
        try out.byte('{');
        for (self.spec.ops[0..self.spec.op_count]) |op| switch (op.kind) {
            .open => {
                if (waiting_count == waiting.len) return error.Careful;
                waiting[waiting_count] = op.key;
                waiting_count += 1;
            },
            .close => {
                if (waiting_count > 0) {
                    waiting_count -= 1;
                } else {
                    try out.byte('}');
                    first = false;
                }
            },
            else => {
                const cell = self.cells[op.column];
                if (cell.text.len == 0 and op.empty.len == 0) continue;
                for (waiting[0..waiting_count]) |key| {
                    try out.put(key.slice()[@intFromBool(first)..]);
                    first = true;
                }
                waiting_count = 0;
                const key = op.key.slice()[@intFromBool(first)..];
                first = false;
                if (op.kind == .string and !cell.special and cell.text.len > 0) {
                    try out.field(key, cell.text);
                    continue;
                }
                try out.put(key);
                if (cell.text.len == 0) try out.put(op.empty.slice()) else try self.value(cell, op.kind, out);
            },
        };
        try out.byte('}');
    }

    fn value(self: *Reader, cell: Cell, kind: Kind, out: *Out) Failure!void {
        const text = cell.text;
        if (cell.special and kind != .string and kind != .list and kind != .json) return error.Careful;
        switch (kind) {
            .string => try self.string(cell, out),
            .integer => if (number.isInteger(text)) try out.put(text) else return error.Careful,
            .number => if (number.isNumber(text)) try out.put(text) else return error.Careful,
            .boolean => try out.put(boolean(text) orelse return error.Careful),
            .timestamp => {
                if (!number.isTimestamp(text)) return error.Careful;
                try out.quoted(text);
            },
            .list => try self.list(cell, out),
            .json => try self.document(cell, out),
            .open, .close => unreachable,
        }
    }

    fn string(self: *Reader, cell: Cell, out: *Out) Failure!void {
        if (!cell.special) return out.quoted(cell.text);
        try out.byte('"');
        try self.escaped(cell.text, cell.is_quoted, out);
        try out.byte('"');
    }

    /// The text as JSON has it, a doubled quote of a quoted cell taken as one.
    fn escaped(self: *Reader, text: []const u8, is_quoted: bool, out: *Out) Failure!void {
        var at: usize = 0;
        while (true) {
            const next_at = find(text, at, .{ self.spec.quote, '"', '\\' });
            try out.put(text[at..next_at]);
            if (next_at == text.len) return;
            const c = text[next_at];
            at = @min(text.len, next_at + 1 + @as(usize, @intFromBool(is_quoted and c == self.spec.quote)));
            try character(c, out);
        }
    }

    fn list(self: *Reader, cell: Cell, out: *Out) Failure!void {
        var items = std.mem.splitScalar(u8, cell.text, ',');
        var lead: u8 = '[';
        while (items.next()) |item| : (lead = ',') {
            try out.byte(lead);
            try out.byte('"');
            try self.escaped(item, cell.is_quoted, out);
            try out.byte('"');
        }
        try out.byte(']');
    }

    /// A cell that holds JSON goes out as it is, line ends aside, if it is sound.
    noinline fn document(self: *Reader, cell: Cell, out: *Out) Failure!void {
        const begun = out.len;
        try self.unquoted(cell, out);
        const text = out.room[begun..out.len];
        if (!json.isSound(text)) return error.Careful;
        std.mem.replaceScalar(u8, text, '\n', ' ');
    }

    /// The cell's own text.
    pub fn unquoted(self: *Reader, cell: Cell, out: *Out) Failure!void {
        if (!cell.special or !cell.is_quoted) return out.put(cell.text);
        var at: usize = 0;
        while (at < cell.text.len) : (at += 1) {
            const c = cell.text[at];
            if (c == self.spec.quote) at += 1;
            try out.byte(c);
        }
    }

    /// As a CSV line of our own.
    fn line(self: *Reader, out: *Out) Failure!void {
        const before = out.len;
        for (self.spec.ops[0..self.spec.op_count], 0..) |op, i| {
            if (i > 0) try out.byte(',');
            try self.csvCell(self.cells[op.column], op.kind, out);
        }
        if (out.len == before) try out.put("\"\""); // not a blank line
        try out.byte(self.spec.separator);
    }

    fn csvCell(self: *Reader, cell: Cell, kind: Kind, out: *Out) Failure!void {
        const is_bare = kind == .integer or kind == .number or kind == .boolean;
        const quotes = (self.spec.quote_all and !is_bare) or types.has(cell.text, ",\"\r\n");
        if (!quotes) return self.unquoted(cell, out);
        try out.byte('"');
        var at: usize = 0;
        while (at < cell.text.len) : (at += 1) {
            const c = cell.text[at];
            if (cell.is_quoted and c == self.spec.quote) at += 1;
            if (c == '"') try out.byte('"');
            try out.byte(c);
        }
        try out.byte('"');
    }

    /// The id, its parts joined.
    pub fn id(self: *Reader, out: *Out) Failure!void {
        const before = out.len;
        for (self.spec.ids[0..self.spec.id_count], 0..) |column, i| {
            if (i > 0) try out.put(self.spec.id_joiner.slice());
            try self.unquoted(self.cells[column], out);
        }
        if (types.has(out.room[before..out.len], "\n")) return error.Careful;
    }
};

fn boolean(text: []const u8) ?[]const u8 {
    if (std.ascii.eqlIgnoreCase(text, "true") or std.mem.eql(u8, text, "1")) return "true";
    if (std.ascii.eqlIgnoreCase(text, "false") or std.mem.eql(u8, text, "0")) return "false";
    return null;
}

/// A character of a JSON text, escaped where it has to be.
pub inline fn character(c: u8, out: *Out) Failure!void {
    switch (c) {
        '"' => try out.put("\\\""),
        '\\' => try out.put("\\\\"),
        '\n' => try out.put("\\n"),
        '\r' => try out.put("\\r"),
        '\t' => try out.put("\\t"),
        8 => try out.put("\\b"),
        12 => try out.put("\\f"),
        else => if (c >= 0x20) try out.byte(c) else {
            try out.put("\\u00");
            try out.byte("0123456789abcdef"[c >> 4]);
            try out.byte("0123456789abcdef"[c & 15]);
        },
    }
}
