import { describe, expect, it } from 'vitest';
import { driveErrorCodes } from '../../../protocol/errors.ts';
import { DirectoryReply, enteredInos } from '../../../mount/fuse/directory-reply.ts';
import { errnoOfCode } from '../../../mount/fuse/errno.ts';
import type { FuseAttributes, FuseTimeouts } from '../../../mount/fuse/fuse-filesystem.ts';
import { modeWithoutPrivileges } from '../../../mount/fuse/fuse-filesystem.ts';
import { parseLine } from '../../../mount/fuse/mount-table.ts';
import {
  Reply,
  writeAttributesReply,
  writeCreated,
  writeEntry,
  writeInit,
  writeNegativeEntry,
} from '../../../mount/fuse/replies.ts';
import { readInit, readSetAttributes, Request } from '../../../mount/fuse/requests.ts';

const timeouts: FuseTimeouts = { entryMs: 1_500, attributesMs: Infinity, negativeEntryMs: 250 };
const attributes: FuseAttributes = {
  ino: 0x1_0000_0002,
  size: 1025,
  atimeNs: 1n,
  mtimeNs: -1n,
  ctimeNs: 2_000_000_003n,
  mode: 0o100644,
  nlink: 3,
  uid: 1000,
  gid: 1001,
  rdev: 0,
};
/** struct fuse_attr of `attributes`, written out by hand: 88 bytes, little-endian. */
const attributesHex =
  '0200000001000000' + // ino
  '0104000000000000' + // size
  '0300000000000000' + // blocks
  '0000000000000000' + // atime
  'ffffffffffffffff' + // mtime: one second before, and
  '0200000000000000' + // ctime
  '01000000' + // atimensec
  'ffc99a3b' + // mtimensec: 999,999,999 after that
  '03000000' + // ctimensec
  'a4810000' + // mode
  '03000000' + // nlink
  'e8030000' + // uid
  'e9030000' + // gid
  '00000000' + // rdev
  '00000200' + // blksize
  '00000000'; // flags

function written(write: (reply: Reply) => void): string {
  const reply = new Reply(4096);
  reply.buffer.fill(0xee);
  reply.begin(0x2_0000_0001);
  write(reply);
  reply.finish(0);
  return reply.buffer.toString('hex', 0, reply.length);
}

/** The header of a request with this opcode (node 5, unique 7, uid 1000, gid 1001, pid 42), and a body. */
function request(opcode: number, body: Buffer): Request {
  const read = new Request(8192);
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40 + body.length, 0);
  header.writeUInt32LE(opcode, 4);
  header.writeUInt32LE(7, 8);
  header.writeUInt32LE(5, 16);
  header.writeUInt32LE(1000, 24);
  header.writeUInt32LE(1001, 28);
  header.writeUInt32LE(42, 32);
  read.buffer.fill(0xee);
  header.copy(read.buffer);
  body.copy(read.buffer, 40);
  read.length = 40 + body.length;
  return read;
}

describe('replies', () => {
  it('attributes: struct fuse_attr_out after the header', () => {
    expect(written((reply) => writeAttributesReply(reply, attributes, timeouts))).toBe(
      '78000000' + '00000000' + '0100000002000000' + 'ffffff7f00000000' + '00000000' + '00000000' + attributesHex,
    );
  });

  it('an entry: struct fuse_entry_out, with what a reply sets for itself', () => {
    const entry = (ev: string, evNs: string): string =>
      '0200000001000000' + '0000000000000000' + ev + 'ffffff7f00000000' + evNs + '00000000' + attributesHex;
    const header = '90000000' + '00000000' + '0100000002000000';
    expect(written((reply) => writeEntry(reply, attributes, timeouts))).toBe(
      header + entry('0100000000000000', '0065cd1d'),
    );
    expect(written((reply) => writeEntry(reply, { ...attributes, entryTimeoutMs: 0 }, timeouts))).toBe(
      header + entry('0000000000000000', '00000000'),
    );
  });

  it('a negative entry: node id 0 with a timeout', () => {
    const body = '00'.repeat(32) + '80b2e60e' + '00'.repeat(92);
    expect(written((reply) => writeNegativeEntry(reply, timeouts))).toBe(
      '90000000' + '00000000' + '0100000002000000' + body,
    );
  });

  it('a created file: the entry, then struct fuse_open_out', () => {
    const opened = { fh: 0x3_0000_0004, openFlags: 0x82, backingId: 9 };
    const hex = written((reply) => writeCreated(reply, { attributes, opened }, timeouts));
    expect(hex.slice((16 + 128) * 2)).toBe('0400000003000000' + '82000000' + '09000000');
  });

  it('INIT: struct fuse_init_out, 64 bytes', () => {
    const init = {
      major: 7,
      minor: 38,
      readAheadBytesMax: 0x20000,
      flags: 0x11223344,
      flags2: 0x20,
      backgroundMax: 32,
      congestionThreshold: 24,
      writeBytesMax: 1 << 20,
      pagesMax: 256,
      stackDepthMax: 1,
    };
    expect(written((reply) => writeInit(reply, init)).slice(32)).toBe(
      '07000000' +
        '26000000' +
        '00000200' +
        '44332211' +
        '2000' +
        '1800' +
        '00001000' +
        '01000000' +
        '0001' +
        '0000' +
        '20000000' +
        '01000000' +
        '00'.repeat(24),
    );
  });

  it('an error drops the body', () => {
    const reply = new Reply(4096);
    reply.begin(4);
    writeEntry(reply, attributes, timeouts);
    reply.finish(2);
    expect(reply.buffer.toString('hex', 0, reply.length)).toBe('10000000' + 'feffffff' + '0400000000000000');
  });
});

describe('listings', () => {
  it('are struct fuse_dirent, padded to eight bytes, until the size asked for', () => {
    const reply = new Reply(4096);
    reply.buffer.fill(0xee);
    reply.begin(1);
    const sink = new DirectoryReply(reply, 'names', 64, timeouts);
    expect(sink.addName('ab', 5, 0o040755, 1)).toBe(true);
    expect(sink.addName('12345678', 6, 0o100644, 2)).toBe(true);
    expect(sink.addName('c', 7, 0o100644, 3)).toBe(false);
    expect(reply.buffer.toString('hex', 16, reply.length)).toBe(
      '0500000000000000' +
        '0100000000000000' +
        '02000000' +
        '04000000' +
        '6162000000000000' +
        '0600000000000000' +
        '0200000000000000' +
        '08000000' +
        '08000000' +
        '3132333435363738',
    );
  });

  it('with attributes tell which lookups they count', () => {
    const reply = new Reply(4096);
    reply.begin(1);
    const sink = new DirectoryReply(reply, 'plus', 500, timeouts);
    expect(sink.addName('.', 1, 0o040755, 1)).toBe(true);
    expect(sink.addEntry('näme', attributes, 2)).toBe(true);
    expect(sink.addEntry('third', attributes, 3)).toBe(true);
    expect(sink.addEntry('fourth', attributes, 4)).toBe(false);
    expect(enteredInos(reply)).toEqual([attributes.ino, attributes.ino]);
  });
});

describe('requests', () => {
  it('have their header where fuse_in_header says', () => {
    const { opcode, unique, nodeId, uid, gid, pid } = request(3, Buffer.alloc(16));
    expect({ opcode, unique, nodeId, uid, gid, pid }).toEqual({
      opcode: 3,
      unique: 7,
      nodeId: 5,
      uid: 1000,
      gid: 1001,
      pid: 42,
    });
  });

  it('SETATTR says what is to be set', () => {
    const body = Buffer.alloc(88);
    const [mode, uid, size, atimeNow, mtime, fh] = [1 << 0, 1 << 1, 1 << 3, (1 << 4) | (1 << 7), 1 << 5, 1 << 6];
    body.writeUInt32LE(mode | uid | size | atimeNow | mtime | fh, 0);
    body.writeUInt32LE(9, 8);
    body.writeBigUInt64LE(5_000_000_000n, 16);
    body.writeBigInt64LE(-2n, 40);
    body.writeUInt32LE(500_000_000, 60);
    body.writeUInt32LE(0o100750, 68);
    body.writeUInt32LE(1234, 76);
    expect(readSetAttributes(request(4, body))).toEqual({
      killPrivileges: true,
      fh: 9,
      size: 5_000_000_000,
      atimeNs: 'now',
      mtimeNs: -1_500_000_000n,
      mode: 0o750,
      uid: 1234,
    });
    body.writeUInt32LE(1 << 3, 0);
    body.writeBigUInt64LE(1n << 60n, 16);
    expect(() => readSetAttributes(request(4, body))).toThrow('EFBIG');
  });

  it('INIT of old kernels has no second flags', () => {
    const body = Buffer.from('070000001f0000000000020001000000', 'hex');
    expect(readInit(request(26, body))).toEqual({
      major: 7,
      minor: 31,
      readAheadBytesMax: 0x20000,
      flags: 1,
      flags2: 0,
    });
  });

  it('names are UTF-8 of at most 255 bytes and end within the request', () => {
    const nameOf = (bytes: Buffer): string => request(1, bytes).name(0);
    expect(nameOf(Buffer.from('ä\ufffd\0'))).toBe('ä\ufffd');
    expect(() => nameOf(Buffer.from([0x61, 0xff, 0]))).toThrow('EILSEQ');
    expect(() => nameOf(Buffer.from([0xed, 0xa0, 0x80, 0]))).toThrow('EILSEQ');
    expect(nameOf(Buffer.from(`${'n'.repeat(255)}\0`))).toHaveLength(255);
    expect(() => nameOf(Buffer.from(`${'n'.repeat(256)}\0`))).toThrow('ENAMETOOLONG');
    expect(() => nameOf(Buffer.from('unfinished'))).toThrow('EINVAL');
    expect(() => request(16, Buffer.alloc(48)).bytes(40, 9)).toThrow('EINVAL');
  });
});

describe('facts', () => {
  it('every drive error has an errno the kernel accepts', () => {
    for (const code of driveErrorCodes) {
      expect(errnoOfCode(code), code).toBeGreaterThan(0);
      expect(errnoOfCode(code), code).toBeLessThan(512);
    }
  });

  it('setgid survives a write only where the group may not execute', () => {
    expect(modeWithoutPrivileges(0o106755)).toBe(0o100755);
    expect(modeWithoutPrivileges(0o106745)).toBe(0o102745);
  });

  it('the mount table is read with its escapes', () => {
    const line = '36 35 0:39 / /tmp/a\\040b rw,nosuid shared:1 - fuse.holdfast holdfast rw,user_id=0';
    expect(parseLine(line)).toEqual([
      { device: '0:39', mountpoint: '/tmp/a b', type: 'fuse.holdfast', source: 'holdfast' },
    ]);
    expect(parseLine('')).toEqual([]);
  });
});
