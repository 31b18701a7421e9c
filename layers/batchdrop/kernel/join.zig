//! Records joined to the refusals of their batch: the row of the rejects file of each one that was refused.

const std = @import("std");
const types = @import("types.zig");
const csv = @import("csv.zig");
const find = @import("text.zig").find;
const Table = @import("refusals.zig").Table;

const Failure = types.Failure;
const Out = types.Out;
const Text = types.Text;

/// A refused record that is only told, for a closer look at its row.
pub const Hit = extern struct {
    number: usize, // of the record among those of the run
    start: usize,
    end: usize,
    line: usize, // line ends passed before it
    written: usize, // bytes of rows before it,
    rows: usize, // and how many
    refusal: u32,
    is_plain: bool,
};

/// What to do with which records, and how their rows are written; then what was done by one call.
pub const Join = extern struct {
    table: *Table,
    is_whole: bool, // the first refusal is about every record
    is_careful: bool, // records of other ids are looked at too
    is_json: bool,
    writes: bool,
    delimiter: u8,
    quote: u8,
    outcome: Text,
    by_hand: usize, // so many of the next refused records are only told
    size: usize, // bytes a record may take in a batch
    line: usize, // of the source, where the call begins
    hits: [*]Hit,
    verdicts: [*]u32, // of the rows written
    codes: [*]u32,
    hit_count: usize,
    row_count: usize,

    pub fn begin(self: *Join) void {
        self.hit_count = 0;
        self.row_count = 0;
    }

    /// The refusal of the record the reader is at, if there is one.
    pub fn refusal(self: *Join, reader: anytype, out: *Out) Failure!?u32 {
        var room = Out{ .room = out.room[out.len..] };
        if (self.is_careful or self.is_whole) try self.check(reader, &room);
        if (self.is_whole) return 0;
        try reader.id(&room);
        const found = self.table.find(room.room[0..room.len]) orelse return null;
        room.len = 0;
        if (!self.is_careful) try self.check(reader, &room);
        return found;
    }

    /// That the record is sound, and fits a batch.
    fn check(self: *Join, reader: anytype, room: *Out) Failure!void {
        if (reader.most() < self.size) {
            try reader.check(room);
        } else {
            var limited = Out{ .room = room.room[0..@min(self.size, room.room.len)] };
            try reader.encode(&limited);
        }
        room.len = 0;
    }

    /// The row of a refused record, or word of it.
    pub fn take(self: *Join, reader: anytype, out: *Out, refused: u32, number: usize, lines: usize) Failure!void {
        const verdict = self.table.verdictAt(refused);
        const is_plain = reader.isPlain();
        const can_be_written = self.writes and verdict.is_plain and (is_plain or !self.is_json);
        if (self.by_hand > 0 or !can_be_written) {
            self.hits[self.hit_count] = .{
                .number = number,
                .start = reader.start,
                .end = reader.end,
                .line = lines,
                .written = out.len,
                .rows = self.row_count,
                .refusal = refused,
                .is_plain = is_plain,
            };
            self.hit_count += 1;
            self.by_hand -|= 1;
        } else {
            try self.row(reader, out, refused, self.line + lines);
            self.verdicts[self.row_count] = verdict.number;
            self.codes[self.row_count] = verdict.code;
            self.row_count += 1;
        }
        self.table.meet(refused);
    }

    fn row(self: *Join, reader: anytype, out: *Out, refused: u32, line: usize) Failure!void {
        const raw = std.mem.trimEnd(u8, reader.in[reader.start..reader.end], "\r\n");
        const told = self.table.told(refused);
        var digits: [20]u8 = undefined;
        const number = std.fmt.bufPrint(&digits, "{d}", .{line}) catch unreachable;
        if (self.is_json) {
            try out.put(raw[0 .. raw.len - 1]);
            try out.put(",\"batchdrop_line\":");
            try out.put(number);
            try named(out, "outcome", self.outcome.slice());
            try named(out, "code", told.code.slice());
            try named(out, "message", told.message.slice());
            return out.put("}\n");
        }
        if (reader.isPlain()) try out.put(raw) else try self.cells(reader, out);
        try out.byte(self.delimiter);
        try out.put(number);
        for ([_]Text{ self.outcome, told.code, told.message }) |text| {
            try out.byte(self.delimiter);
            try self.cell(out, text.slice());
        }
        try out.byte('\n');
    }

    /// The cells of a row, of which a spreadsheet could run some.
    fn cells(self: *Join, reader: anytype, out: *Out) Failure!void {
        if (!@hasField(@TypeOf(reader.*), "cells")) return error.Careful;
        for (reader.cells[0..reader.count], 0..) |one, i| {
            if (i > 0) try out.byte(self.delimiter);
            // The text is laid at the end of the room, where the cell written of it, twice as long at most, ends before.
            const left = out.room[out.len..];
            if (left.len < 3 * one.text.len + 4) return error.Full;
            var text = Out{ .room = left[left.len - one.text.len ..] };
            try reader.unquoted(one, &text);
            try self.cell(out, text.room[0..text.len]);
        }
    }

    fn named(out: *Out, comptime name: []const u8, text: []const u8) Failure!void {
        try out.put(",\"batchdrop_" ++ name ++ "\":\"");
        var at: usize = 0;
        while (at < text.len) {
            const next = find(text, at, .{ '"', '\\' });
            try out.put(text[at..next]);
            if (next < text.len) try csv.character(text[next], out);
            at = next + 1;
        }
        try out.byte('"');
    }

    /// A cell, harmless in a spreadsheet, in quotes where it has to be.
    fn cell(self: *Join, out: *Out, text: []const u8) Failure!void {
        const before: []const u8 = if (isDangerous(text)) "'" else "";
        if (!self.needsQuotes(text)) {
            try out.put(before);
            return out.put(text);
        }
        try out.byte(self.quote);
        if (before.len > 0) try self.quoted(out, '\'');
        for (text) |c| try self.quoted(out, c);
        try out.byte(self.quote);
    }

    fn quoted(self: *Join, out: *Out, c: u8) Failure!void {
        if (c == self.quote) try out.byte(c);
        try out.byte(c);
    }

    fn needsQuotes(self: *Join, text: []const u8) bool {
        if ((self.quote == '\'' or self.delimiter == '\'') and isDangerous(text)) return true;
        const marks = .{ self.quote, self.delimiter };
        var at = find(text, 0, marks);
        while (at < text.len) : (at = find(text, at + 1, marks)) {
            const c = text[at];
            if (c == '\n' or c == '\r' or c == self.quote or c == self.delimiter) return true;
        }
        return false;
    }
};

/// Whether a spreadsheet could run it.
fn isDangerous(text: []const u8) bool {
    const rest = std.mem.trimStart(u8, text, "'");
    return rest.len > 0 and std.mem.indexOfScalar(u8, "=+-@\t\r\n", rest[0]) != null;
}
