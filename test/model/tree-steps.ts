import fc from 'fast-check';
import { limits } from '../../protocol/limits.ts';

/** A number that stands for one of what there is when the step is run. */
const pick = fc.nat(9_999);

/** Few names, so that they meet; names of one look, of other case, and of the greatest length are different names. */
export const goodNames = ['a', 'b', 'A', 'é', 'e\u0301', 'n'.repeat(limits.nameBytesMax)] as const;
const goodName = fc.constantFrom(...goodNames);
const badName = fc.constantFrom('', '.', '..', 'a/b', 'a\0', '\ud800', 'n'.repeat(256), 'ä'.repeat(128));
const name = fc.oneof({ weight: 20, arbitrary: goodName }, { weight: 1, arbitrary: badName });

/** A name in a directory, or a place that is taken already. */
const place = fc.record({ directory: pick, name, isTaken: fc.boolean() });
const newPlace = fc.record({ directory: pick, name, isTaken: fc.constant(false) });
const takenPlace = fc.record({ directory: pick, name, isTaken: fc.constant(true) });
export type PlacePick = typeof place extends fc.Arbitrary<infer T> ? T : never;

const timeNs = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n });
const owner = fc.option(fc.nat(2 ** 32 - 2), { nil: null });
const kinds = { weight: 3, arbitrary: fc.constantFrom('file' as const, 'directory' as const) };
const otherKinds = {
  weight: 1,
  arbitrary: fc.constantFrom('symlink' as const, 'fifo' as const, 'blockDevice' as const),
};
const target = fc.constantFrom('a', '../é', '/nowhere', 't'.repeat(limits.symlinkTargetBytesMax), 't'.repeat(4_096));
const newInode = fc.record({
  ...{ kind: fc.oneof(kinds, otherKinds), mode: fc.nat(0o177777), uid: fc.nat(9), gid: fc.nat(9), rdev: fc.nat(9) },
  target,
});

const size = fc.oneof(
  { weight: 20, arbitrary: fc.nat(10_000) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: limits.fileBytesMax }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 1.5, Number.NaN, limits.fileBytesMax + 1, 2 ** 53) },
);

const xattrName = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('user.a', 'user.b', 'user.é') },
  { weight: 1, arbitrary: fc.constantFrom('', 'user.\0', 'x'.repeat(256)) },
);
const xattrValue = fc.oneof(
  { weight: 12, arbitrary: fc.uint8Array({ maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(limits.xattrValueBytesMax + 1)) },
);
const attributeSet = fc.record(
  { mode: fc.nat(0o177777), uid: owner, gid: owner, mtimeNs: timeNs, atimeNs: timeNs },
  { requiredKeys: [] },
);

/** A kind of step with what it needs, and how often it is taken. */
function of<Type extends string, Fields extends object>(
  weight: number,
  type: Type,
  fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> },
) {
  const arbitrary = fc.tuple(timeNs, fc.record(fields)).map(([nowNs, record]) => ({ type, nowNs, ...record }));
  return { weight, arbitrary };
}

const renameMode = fc.constantFrom('replace' as const, 'replace' as const, 'noReplace' as const, 'exchange' as const);
const xattrMode = fc.constantFrom('any' as const, 'any' as const, 'create' as const, 'replace' as const);

/** One call of `LocalTree`, or a restart of the mount. */
export const treeStep = fc.oneof(
  of(10, 'create', { place: newPlace, inode: newInode }),
  of(2, 'createUnlinked', { inode: newInode }),
  of(4, 'link', { inode: pick, place }),
  of(4, 'unlink', { place }),
  of(3, 'removeDirectory', { place }),
  of(8, 'rename', { from: takenPlace, to: place, mode: renameMode }),
  of(1, 'rename', { from: place, to: place, mode: renameMode }),
  of(1, 'renameOntoItself', { place: takenPlace, mode: renameMode }),
  of(3, 'setAttributes', { inode: pick, set: attributeSet }),
  of(3, 'setXattr', { inode: pick, name: xattrName, value: xattrValue, mode: xattrMode }),
  of(1, 'removeXattr', { inode: pick, name: xattrName }),
  of(5, 'contentChanged', { inode: pick, size }),
  of(2, 'hold', { inode: pick }),
  of(3, 'release', { inode: pick }),
  of(2, 'startReading', { directory: pick }),
  of(4, 'readOn', { reader: pick, limit: fc.integer({ min: 1, max: 3 }) }),
  of(1, 'restart', { isKilled: fc.boolean() }),
);
export type TreeStep = typeof treeStep extends fc.Arbitrary<infer T> ? T : never;
