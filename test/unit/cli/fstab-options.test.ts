import { describe, expect, test } from 'vitest';
import { parseFstabMount } from '../../../cli/fstab-options.ts';

describe('a line of fstab', () => {
  test('names a server, a drive, and options of the mount', () => {
    const options =
      'rw,cache=/var/my=cache,cache-size=20GiB,sync=remote,user=ada,home=/srv,_netdev,nofail,x-systemd.automount';
    expect(parseFstabMount('https://drive.example:7420/Our%20photos/', options, false)).toEqual({
      server: 'https://drive.example:7420',
      namespace: 'Our photos',
      userName: 'ada',
      home: '/srv',
      args: ['--cache', '/var/my=cache', '--cache-size', '20GiB', '--sync', 'remote'],
    });
  });

  test("without a name means the user's own drive, and ro a mount that cannot be changed", () => {
    const { namespace, userName, args } = parseFstabMount('http://localhost:7420', 'defaults,ro', false);
    expect([namespace, userName, args]).toEqual([undefined, undefined, ['--read-only']]);
  });

  test.each(['noexec', 'cache-size', 'cachesize=1', 'sync'])(
    'refuses %s, unless it is to overlook what it does not know',
    (option) => {
      expect(() => parseFstabMount('http://localhost', option, false)).toThrow(/is no option of a Holdfast mount/);
      expect(parseFstabMount('http://localhost', option, true).args).toEqual([]);
    },
  );

  test.each(['/dev/sda1', 'drive.example:/ada', 'ftp://drive.example', ''])('refuses "%s" as a drive', (spec) => {
    expect(() => parseFstabMount(spec, '', false)).toThrow(/is no drive/);
  });
});
