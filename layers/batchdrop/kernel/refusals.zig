//! The refusals of one batch, found by the id of the record they are about.
//!
//! The memory is taken from the system and given back as a whole: it is bounded by the batch, never by the drop.

const std = @import("std");
const types = @import("types.zig");
const Text = types.Text;

const gpa = std.heap.page_allocator;
const SHARED = 1000; // different verdicts, and codes, of which equal ones are kept once
const MOST_CHARACTERS = 500; // of a message
const Memory = std.mem.Allocator.Error;

const Span = struct { at: u32, len: u32 };
const Entry = struct { id: Span, verdict: u32, is_met: bool = false };
const Verdict = struct { code: u32, message: Span, is_there: bool, is_text: bool };
const Numbers = std.AutoHashMapUnmanaged(u64, u32);

/// One refusal as it is told. The texts are of use until the next refusal is added.
pub const Told = extern struct { id: Text, code: Text, message: Text, verdict: u32, is_there: bool, is_met: bool };

pub const Table = struct {
    seed: u64, // of the hashes, so that nobody can make ids that share one
    texts: std.ArrayList(u8) = .empty,
    entries: std.ArrayList(Entry) = .empty,
    verdicts: std.ArrayList(Verdict) = .empty,
    codes: std.ArrayList(Span) = .empty,
    by_id: std.HashMapUnmanaged(u32, void, ByNumber, 80) = .empty,
    shared_verdicts: Numbers = .empty,
    shared_codes: Numbers = .empty,
    next: u32 = 0, // the entry after the one found last

    /// Keep a refusal, unless there is one of this id.
    pub fn add(self: *Table, id: []const u8, code: []const u8, message: []const u8, is_there: bool) Memory!void {
        const place = try self.by_id.getOrPutContextAdapted(gpa, id, ById{ .table = self }, ByNumber{ .table = self });
        if (place.found_existing) return;
        place.key_ptr.* = @intCast(self.entries.items.len);
        const verdict = try self.verdictOf(code, beginning(message), is_there);
        try self.entries.append(gpa, .{ .id = try self.keep(id), .verdict = verdict });
    }

    /// The number of the refusal of this id.
    pub fn find(self: *Table, id: []const u8) ?u32 {
        if (id.len == 0) return null;
        // Most vendors tell refusals in the order of the records.
        if (self.next < self.entries.items.len and std.mem.eql(u8, self.text(self.entries.items[self.next].id), id)) {
            self.next += 1;
            return self.next - 1;
        }
        const number = self.by_id.getKeyAdapted(id, ById{ .table = self }) orelse return null;
        self.next = number + 1;
        return number;
    }

    pub fn meet(self: *Table, number: u32) void {
        self.entries.items[number].is_met = true;
    }

    pub fn told(self: *const Table, number: u32) Told {
        const entry = self.entries.items[number];
        const verdict = self.verdicts.items[entry.verdict];
        return .{
            .id = as(self.text(entry.id)),
            .code = as(self.text(self.codes.items[verdict.code])),
            .message = as(self.text(verdict.message)),
            .verdict = entry.verdict,
            .is_there = verdict.is_there,
            .is_met = entry.is_met,
        };
    }

    /// The verdict of a refusal: its number, that of its code, and what can be written of it as it is.
    pub fn verdictAt(self: *const Table, number: u32) struct { number: u32, code: u32, is_plain: bool } {
        const verdict = self.entries.items[number].verdict;
        const found = self.verdicts.items[verdict];
        return .{ .number = verdict, .code = found.code, .is_plain = found.is_text and !found.is_there };
    }

    fn text(self: *const Table, span: Span) []const u8 {
        return self.texts.items[span.at..][0..span.len];
    }

    fn keep(self: *Table, bytes: []const u8) Memory!Span {
        if (self.texts.items.len + bytes.len > std.math.maxInt(u32)) return error.OutOfMemory;
        const span = Span{ .at = @intCast(self.texts.items.len), .len = @intCast(bytes.len) };
        try self.texts.appendSlice(gpa, bytes);
        return span;
    }

    fn verdictOf(self: *Table, code: []const u8, message: []const u8, is_there: bool) Memory!u32 {
        const key = std.hash.Wyhash.hash(std.hash.Wyhash.hash(self.seed, code) +% @intFromBool(is_there), message);
        if (self.shared_verdicts.get(key)) |number| {
            const found = self.verdicts.items[number];
            const is_same = found.is_there == is_there and std.mem.eql(u8, self.text(found.message), message);
            if (is_same and std.mem.eql(u8, self.text(self.codes.items[found.code]), code)) return number;
        }
        const number: u32 = @intCast(self.verdicts.items.len);
        const is_text = std.unicode.utf8ValidateSlice(code) and std.unicode.utf8ValidateSlice(message);
        const new = Verdict{
            .code = try self.codeOf(code),
            .message = try self.keep(message),
            .is_there = is_there,
            .is_text = is_text,
        };
        try self.verdicts.append(gpa, new);
        if (self.shared_verdicts.count() < SHARED) try self.shared_verdicts.put(gpa, key, number);
        return number;
    }

    fn codeOf(self: *Table, code: []const u8) Memory!u32 {
        const key = std.hash.Wyhash.hash(self.seed, code);
        if (self.shared_codes.get(key)) |number| {
            if (std.mem.eql(u8, self.text(self.codes.items[number]), code)) return number;
        }
        const number: u32 = @intCast(self.codes.items.len);
        try self.codes.append(gpa, try self.keep(code));
        if (self.shared_codes.count() < SHARED) try self.shared_codes.put(gpa, key, number);
        return number;
    }
};

const ById = struct {
    table: *const Table,

    pub fn hash(self: ById, id: []const u8) u64 {
        return std.hash.Wyhash.hash(self.table.seed, id);
    }

    pub fn eql(self: ById, id: []const u8, number: u32) bool {
        return std.mem.eql(u8, id, self.table.text(self.table.entries.items[number].id));
    }
};

const ByNumber = struct {
    table: *const Table,

    pub fn hash(self: ByNumber, number: u32) u64 {
        return std.hash.Wyhash.hash(self.table.seed, self.table.text(self.table.entries.items[number].id));
    }

    pub fn eql(_: ByNumber, a: u32, b: u32) bool {
        return a == b;
    }
};

fn as(bytes: []const u8) Text {
    return .{ .ptr = bytes.ptr, .len = bytes.len };
}

/// As many characters of a message as are kept.
fn beginning(message: []const u8) []const u8 {
    if (message.len <= MOST_CHARACTERS) return message;
    var characters: usize = 0;
    for (message, 0..) |byte, at| {
        if (byte & 0xC0 == 0x80) continue;
        if (characters == MOST_CHARACTERS) return message[0..at];
        characters += 1;
    }
    return message;
}

export fn batchdrop_refusals_new(seed: u64) ?*Table {
    const table = gpa.create(Table) catch return null;
    table.* = .{ .seed = seed };
    return table;
}

export fn batchdrop_refusals_free(table: *Table) void {
    inline for (.{ "texts", "entries", "verdicts", "codes", "by_id", "shared_verdicts", "shared_codes" }) |name| {
        @field(table, name).deinit(gpa);
    }
    gpa.destroy(table);
}

/// Add refusals: the id, code and message of each one after the other in `bytes`, their lengths in `lengths`. False
/// where there is no memory.
export fn batchdrop_refusals_add(table: *Table, ptr: [*]const u8, len: usize, lengths: [*]const u32, there: [*]const u8, count: usize) bool {
    var rest = ptr[0..len];
    for (0..count) |i| {
        var parts: [3][]const u8 = undefined;
        for (&parts, lengths[3 * i ..][0..3]) |*part, length| {
            part.* = rest[0..length];
            rest = rest[length..];
        }
        table.add(parts[0], parts[1], parts[2], there[i] != 0) catch return false;
    }
    return true;
}

export fn batchdrop_refusals_count(table: *const Table) usize {
    return table.entries.items.len;
}

/// The number of the refusal of this id; as many as there are where there is none.
export fn batchdrop_refusals_find(table: *Table, ptr: [*]const u8, len: usize) usize {
    return table.find(ptr[0..len]) orelse table.entries.items.len;
}

export fn batchdrop_refusals_meet(table: *Table, number: u32) void {
    table.meet(number);
}

export fn batchdrop_refusals_told(table: *const Table, number: u32, into: *Told) void {
    into.* = table.told(number);
}

/// The first refusal from `number` on of which no record was met; as many as there are where there is none.
export fn batchdrop_refusals_left(table: *const Table, number: usize) usize {
    for (table.entries.items[@min(number, table.entries.items.len)..], number..) |entry, i| {
        if (!entry.is_met) return i;
    }
    return table.entries.items.len;
}

/// The code of this number.
export fn batchdrop_refusals_code(table: *const Table, number: u32, code: *Text) void {
    code.* = as(table.text(table.codes.items[number]));
}
