import { versionZero } from '../../protocol/ids.ts';
import { conflictedCopyName } from '../../protocol/names.ts';
import type { LocalPlace } from './dentry-table.ts';
import type { InvalidationSet } from './invalidation-set.ts';
import type { Ino } from './local-inode.ts';
import type { RemoteChanges } from './remote-changes.ts';
import type { ReplicaState } from './replica-state.ts';

/**
 * A directory made here turned out to be `into` on the server: all that is in `merged`, and all that is dirty of it,
 * moves there. `place` is where it was made; a name it was given since goes, as its place on the server counts.
 */
export function mergeDirectory(
  state: ReplicaState,
  remote: RemoteChanges,
  stale: InvalidationSet,
  merged: Ino,
  into: Ino,
  place: LocalPlace | null,
): void {
  const dirtyInside = state.places.inDirectory(merged);
  const visibleInside = state.dentries.entriesOf(merged);
  const names = new Set([...dirtyInside.map((dirty) => dirty.name), ...visibleInside.map((entry) => entry.name)]);
  for (const name of names) moveEntry(state, stale, { parent: merged, name }, into);
  for (const other of state.dentries.namesOf(merged)) {
    if (place !== null && other.parent === place.parent && other.name === place.name) continue;
    // What the server has there may be a directory that stands elsewhere since, as after an exchange.
    remote.show(other, state.places.get(other)?.remote ?? null);
    state.placeChanged(other);
  }
  state.dirty.delete(merged);
  stale.attributes(into);
}

function moveEntry(state: ReplicaState, stale: InvalidationSet, from: LocalPlace, into: Ino): void {
  const visible = state.dentries.find(from.parent, from.name);
  const dirty = state.places.get(from);
  let to: LocalPlace = { parent: into, name: from.name };
  if (state.places.get(to) !== undefined) {
    // Something was changed there too: what comes stands beside it.
    if (dirty !== undefined) state.places.delete(from);
    if (visible === null) return;
    to = freePlace(state, to);
    state.places.add(to, null, versionZero, null);
  } else {
    const standing = state.dentries.find(to.parent, to.name);
    if (dirty === undefined) state.places.add(to, null, versionZero, standing);
    else {
      state.places.rekey(from, into);
      state.places.setBase(to, null, versionZero);
      state.places.setRemote(to, standing);
    }
  }
  stale.entry(from);
  stale.entry(to);
  if (visible === null) return;
  state.setVisible(from, null);
  state.setVisible(to, visible);
}

function freePlace(state: ReplicaState, taken: LocalPlace): LocalPlace {
  const timeMs = state.environment.clock.nowMs();
  for (let attempt = 1; ; attempt += 1) {
    const name = conflictedCopyName(taken.name, { author: 'this device', timeMs, attempt });
    const place = { parent: taken.parent, name };
    const isFree = state.dentries.find(place.parent, name) === null && state.places.get(place) === undefined;
    if (isFree) return place;
  }
}
