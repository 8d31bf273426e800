import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountersHere } from '../driver/mounted.ts';
import { python, pythonHere } from '../driver/python.ts';
import { MountedDrive } from './mounted-drive.ts';

const direct = mountersHere().filter((mounter) => mounter === 'root' || process.getuid?.() !== 0);
if (!pythonHere) console.warn('SKIPPED: locks on a drive: python3 is missing');

describe.skipIf(!pythonHere).each(direct)('locks on a drive mounted as %s', (mounter) => {
  let drive: MountedDrive;

  beforeAll(async () => {
    drive = await MountedDrive.start(mounter);
  });
  afterAll(async () => {
    await drive[Symbol.asyncDispose]();
  });

  it('of either kind keep another program out until they are released', () => {
    fs.writeFileSync(drive.path('locked'), 'content');
    const complaint = python(
      `import errno, fcntl, os, sys
path = sys.argv[1]
def another_is_kept_out(take):
    child = os.fork()
    if child == 0:
        with open(path, 'r+') as f:
            try: take(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e: os._exit(1 if e.errno in (errno.EAGAIN, errno.EACCES) else 2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1), code
    return code == 1
for take in (fcntl.flock, fcntl.lockf):
    with open(path, 'r+') as f:
        take(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert another_is_kept_out(take), take
        take(f, fcntl.LOCK_UN)
        assert not another_is_kept_out(take), take`,
      [drive.path('locked')],
    );
    expect(complaint).toBe('');
  });
});
