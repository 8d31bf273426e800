import { rootIno } from '../../mount/replica/local-inode.ts';
import type { Ino, LocalInode } from '../../mount/replica/local-inode.ts';
import type { InodeId } from '../../protocol/ids.ts';
import { rootInodeOf } from '../../protocol/ids.ts';
import type { InodeState } from '../../protocol/inode-state.ts';
import type { Oracle } from './oracle.ts';
import type { SimulatedClient, SimulatedServer } from './simulated-client.ts';

type Described = Omit<InodeState, 'inode' | 'ctimeNs'> & { readonly id: InodeId };

/** All there is to see of a tree, one line a name, in an order that hangs on names alone. */
export async function dumpClient(client: SimulatedClient, oracle: Oracle): Promise<string[]> {
  const lines: string[] = [];
  const walk = async (inode: LocalInode, path: string): Promise<void> => {
    const xattrs = new Map(
      client.replica.xattrNames(inode.ino).map((name) => [name, xattrOf(client, inode.ino, name)]),
    );
    const bytes = inode.kind === 'file' ? await oracle.bytesOf(client, inode.ino) : Buffer.alloc(0);
    lines.push(describe(path, { ...inode, xattrs }, bytes));
    if (inode.kind !== 'directory') return;
    for (const entry of sorted(client.replica.list(inode.ino, 0, 10_000))) {
      await walk(entry.inode, `${path}/${entry.name}`);
    }
  };
  const root = client.replica.inode(rootIno);
  if (root !== undefined) await walk(root, '');
  return lines;
}

export async function dumpServer(server: SimulatedServer, oracle: Oracle): Promise<string[]> {
  const metadata = server.store.as(server.caller);
  const lines: string[] = [];
  const walk = async (state: InodeState, path: string): Promise<void> => {
    const bytes = state.kind === 'file' ? await oracle.versionBytes(state.inode, state.version) : Buffer.alloc(0);
    lines.push(describe(path, { ...state, id: state.inode }, bytes));
    if (state.kind !== 'directory') return;
    const page = await metadata.list(server.namespace, state.inode, {});
    for (const entry of sorted(page.entries)) await walk(entry.state, `${path}/${entry.name}`);
  };
  await walk(await metadata.inode(server.namespace, rootInodeOf(server.namespace)), '');
  return lines;
}

function xattrOf(client: SimulatedClient, ino: Ino, name: string): Uint8Array {
  return client.replica.xattr(ino, name) ?? new Uint8Array();
}

function sorted<Entry extends { readonly name: string }>(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function describe(path: string, inode: Described, bytes: Buffer): string {
  const xattrs = [...inode.xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
  const times = path === '' ? '' : `mtime ${inode.mtimeNs}`;
  return [
    ...[path === '' ? '/' : path, inode.kind, inode.id, path === '' ? '' : inode.mode.toString(8), times],
    ...[`${inode.uid}:${inode.gid}`, `size ${inode.size} version ${inode.version}`, inode.target ?? ''],
    xattrs.map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`).join(','),
    bytes.toString('latin1').replaceAll('\n', '.'),
  ].join(' | ');
}
