//! What the kernel and its caller hand each other. The layouts are those of batchdrop/records/kernel.py.

const std = @import("std");
const text = @import("text.zig");
const Join = @import("join.zig").Join;

pub const Text = extern struct {
    ptr: ?[*]const u8,
    len: usize,

    pub fn slice(self: Text) []const u8 {
        return if (self.ptr) |ptr| ptr[0..self.len] else &.{};
    }
};

pub const Mode = enum(u32) {
    scan, // find where the records end
    encode, // write them as they go into a batch
    check, // as encode, but write only their ids
    join, // as check, but write the rows of those that were refused
};

/// Why a run ended.
pub const Stop = enum(u32) {
    more, // the next record is not all there
    full, // no room for the next record, or as many records as were asked for
    careful, // the next record, up to `end`, needs a closer look
    broken, // CSV: text follows a closing quote in the next record
    closed, // the end of the JSON array is at `at`
};

/// What to do with which bytes.
pub const Call = extern struct {
    mode: Mode,
    in: [*]const u8,
    len: usize,
    room: [*]u8,
    size: usize,
    most: usize, // records
    places: ?[*]Place, // room for as many
    hashes: ?[*]Hash, // as well
    key: [16]u8, // of the hashes
    join: ?*Join, // for `join`
};

/// What stands for an id: no two ids share it, and nobody who does not know the key can make two that do.
pub const Hash = extern struct { one: u64, two: u64 };

/// How far a call got, from `at` on.
pub const Run = extern struct {
    at: usize,
    end: usize, // of the record that needs a closer look
    after: usize, // where the one after it begins
    records: usize,
    lines: usize, // line ends passed
    written: usize,
    stop: Stop,
};

/// Where a record is; filled for `check`.
pub const Place = extern struct {
    start: usize,
    end: usize,
    line: usize, // line ends passed before it
    is_plain: bool, // nothing in it does harm where it is echoed as it is
};

/// What a reader found.
pub const Found = enum { record, careful, broken, more, closed };

pub const Failure = error{ Careful, Full };

/// The room for what is written.
pub const Out = struct {
    room: []u8,
    len: usize = 0,

    pub inline fn byte(self: *Out, value: u8) Failure!void {
        if (self.len == self.room.len) return error.Full;
        self.room[self.len] = value;
        self.len += 1;
    }

    /// A text in quotes.
    pub inline fn quoted(self: *Out, bytes: []const u8) Failure!void {
        if (bytes.len + 2 > self.room.len - self.len) return error.Full;
        const place = self.room[self.len..][0 .. bytes.len + 2];
        place[0] = '"';
        text.copy(place[1..][0..bytes.len], bytes);
        place[bytes.len + 1] = '"';
        self.len += place.len;
    }

    /// A key, with what is around it, and a text in quotes.
    pub inline fn field(self: *Out, key: []const u8, bytes: []const u8) Failure!void {
        if (key.len + bytes.len + 2 > self.room.len - self.len) return error.Full;
        const place = self.room[self.len..][0 .. key.len + bytes.len + 2];
        text.copy(place[0..key.len], key);
        place[key.len] = '"';
        text.copy(place[key.len + 1 ..][0..bytes.len], bytes);
        place[place.len - 1] = '"';
        self.len += place.len;
    }

    pub inline fn put(self: *Out, bytes: []const u8) Failure!void {
        if (bytes.len > self.room.len - self.len) return error.Full;
        text.copy(self.room[self.len..][0..bytes.len], bytes);
        self.len += bytes.len;
    }
};

pub fn has(bytes: []const u8, any: []const u8) bool {
    return any.len > 0 and std.mem.indexOfAny(u8, bytes, any) != null;
}
