import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DriveError, driveErrorCodes } from '../../../protocol/errors.ts';
import type { ChangeBatch } from '../../../protocol/changes.ts';
import { inodeKinds } from '../../../protocol/inode-state.ts';
import { encodeManifest } from '../../../protocol/manifest.ts';
import { decodeChangeLines, encodeChangeLines } from '../../../protocol/wire/change-lines.ts';
import { commitRequest } from '../../../protocol/wire/commit-schemas.ts';
import { fromWireError, toWireError, wireError } from '../../../protocol/wire/wire-error.ts';
import { decodeJson, encodeJson } from '../../../protocol/wire/wire-json.ts';
import { manifest } from '../../../protocol/wire/scalars.ts';
import { collectAll, commitOf, manifestOf, newFile, randomBlock, stream } from '../../gateway/tree-values.ts';
import type { CommitRequest } from '../../../protocol/operations.ts';
import type { NamespaceId } from '../../../protocol/ids.ts';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const position = fc.nat(Number.MAX_SAFE_INTEGER);
const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const owner = fc.option(fc.nat(0xffff_ffff));
const requestedName = fc.string({ unit: 'binary' });
const checkedName = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((name) => {
  return name !== '.' && name !== '..' && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255;
});
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
const xattrName = fc.oneof(fc.string(), fc.constant('__proto__'), fc.constant('constructor'));
const attributes = { mode: fc.nat(0o7777), uid: owner, gid: owner, mtimeNs: time, ctimeNs: time };
const anyManifest = fc.record({
  profile: fc.string({ maxLength: 20 }),
  entries: fc.array(fc.record({ hash, length: fc.integer({ min: 1, max: 2 ** 20 }) })),
});
const kind = fc.constantFrom(...inodeKinds);
const xattrs = fc.array(fc.tuple(xattrName, bytes)).map((pairs) => new Map(pairs));
const xattrChanges = fc.array(fc.tuple(xattrName, fc.option(bytes))).map((pairs) => new Map(pairs));
const place = fc.record({ parent: id, name: requestedName });

const operation = fc.oneof(
  fc.record({
    type: fc.constant('create'),
    parent: id,
    name: requestedName,
    inode: id,
    kind,
    rdev: fc.nat(0xffff_ffff),
    target: fc.option(fc.string()),
    manifest: fc.option(anyManifest),
    xattrs,
    ...attributes,
  }),
  fc.record({ type: fc.constant('link'), parent: id, name: requestedName, inode: id }),
  fc.record({
    type: fc.constant('unlink'),
    parent: id,
    name: requestedName,
    inode: id,
    base: position,
    recursive: fc.boolean(),
  }),
  fc.record({ type: fc.constant('move'), inode: id, from: place, to: place }),
  fc.record({
    type: fc.constant('content'),
    inode: id,
    base: position,
    manifest: anyManifest,
    mtimeNs: time,
    ctimeNs: time,
  }),
  fc.record({
    type: fc.constant('attributes'),
    inode: id,
    set: fc.record(attributes, { requiredKeys: [] }),
    xattrs: xattrChanges,
  }),
);

const request = fc.record({
  clientCommitId: id,
  operations: fc.array(operation),
  onConflict: fc.constantFrom('resolve', 'refuse'),
}) as unknown as fc.Arbitrary<CommitRequest>;

const change = fc.oneof(
  fc.record({
    type: fc.constant('inode'),
    state: fc.record({
      inode: id,
      kind,
      size: position,
      version: position,
      rdev: fc.nat(0xffff_ffff),
      target: fc.option(fc.string()),
      xattrs,
      ...attributes,
    }),
    manifest: fc.option(anyManifest),
  }),
  fc.record({ type: fc.constant('inodeGone'), inode: id }),
  fc.record({ type: fc.constant('dentry'), parent: id, name: checkedName, inode: fc.option(id) }),
);

const batch = fc.record({
  cursor: position,
  last: fc.boolean(),
  changes: fc.array(change),
  clientCommitId: fc.option(id),
  author: fc.option(fc.string()),
  device: fc.option(id),
  timeMs: fc.nat(Number.MAX_SAFE_INTEGER),
}) as unknown as fc.Arbitrary<ChangeBatch>;

describe('values on the wire', () => {
  test('every commit comes out as it went in', () => {
    fc.assert(
      fc.property(request, (value) => {
        expect(decodeJson(commitRequest, Buffer.from(encodeJson(commitRequest, value)))).toEqual(value);
      }),
    );
  });

  test('every change comes out as it went in, in whatever pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 4 }), fc.integer({ min: 1, max: 300 }), async (batches, size) => {
        const lines = await collectAll(encodeChangeLines(stream(batches), () => {}));
        const all = Buffer.concat(lines);
        const pieces = Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
          all.subarray(index * size, (index + 1) * size),
        );
        expect(await collectAll(decodeChangeLines(stream(pieces)))).toEqual(batches);
        const cut = all.subarray(0, all.length - size);
        await expect(collectAll(decodeChangeLines(stream([cut])))).rejects.toBeInstanceOf(DriveError);
      }),
    );
  });

  test('a changefeed that ends without its end line is a broken connection', async () => {
    const lines = await collectAll(encodeChangeLines(stream([]), () => {}));
    await expect(collectAll(decodeChangeLines(stream(lines.slice(0, -1))))).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  test('a failing changefeed ends with its error', async () => {
    async function* failing(): AsyncGenerator<ChangeBatch> {
      throw new DriveError('gone', 'history was cut');
    }
    const lines = await collectAll(encodeChangeLines(failing(), () => {}));
    await expect(collectAll(decodeChangeLines(stream(lines)))).rejects.toMatchObject({
      code: 'gone',
      message: 'history was cut',
    });
  });

  test.each(driveErrorCodes)('the error %s keeps its code', (code) => {
    const sent = encodeJson(wireError, toWireError(new DriveError(code, 'what happened')));
    expect(fromWireError(decodeJson(wireError, Buffer.from(sent)))).toMatchObject({ code });
  });

  test('a defect keeps its own words to itself', () => {
    expect(toWireError(new DriveError('internal', 'password is hunter2')).error.message).not.toContain('hunter2');
  });

  test('what is no request is refused with its place', () => {
    const good = JSON.parse(encodeJson(commitRequest, commitOf(newFile('ab'.repeat(16) as NamespaceId, 'x')))) as {
      operations: [Record<string, unknown>];
    };
    const bad: [string, unknown][] = [
      ['inode', 'x'],
      ['inode', null],
      ['mode', 0o10000],
      ['mtimeNs', '9223372036854775808'],
      ['mtimeNs', 5],
      ['mtimeNs', '1e5'],
      ['manifest', '!!!'],
      ['manifest', 'AQ=='],
      ['manifest', Buffer.alloc(43, 1).toString('base64')],
      ['xattrs', {}],
      ['surplus', 1],
    ];
    for (const [field, value] of bad) {
      const text = JSON.stringify({ ...good, operations: [{ ...good.operations[0], [field]: value }] });
      expect(() => decodeJson(commitRequest, Buffer.from(text)), `${field}: ${String(value)}`).toThrow(
        expect.objectContaining({ code: 'invalidArgument' }) as Error,
      );
    }
    for (const text of ['', '{', 'null', '[]', '"\\u0000"', '{"operations":[]}', '['.repeat(100_000)]) {
      expect(() => decodeJson(commitRequest, Buffer.from(text))).toThrow(
        expect.objectContaining({ code: 'invalidArgument' }) as Error,
      );
    }
    expect(() => decodeJson(commitRequest, Buffer.from([0x22, 0xff, 0x22]))).toThrow(/UTF-8/);
  });

  test('a manifest of megabytes passes', () => {
    const entry = manifestOf(randomBlock()).entries[0];
    if (entry === undefined) throw new Error('no entry');
    const large = { profile: 'test', entries: Array.from({ length: 200_000 }, () => entry) };
    const text = encodeJson(manifest, large);
    expect(text.length).toBeGreaterThan(encodeManifest(large).length);
    expect(decodeJson(manifest, Buffer.from(text)).entries).toHaveLength(200_000);
  });
});
