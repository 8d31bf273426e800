import { Command } from 'commander';
import { systemClock, systemRandomness } from '../../protocol/system-environment.ts';
import { makePrivateDirectory } from '../private-file.ts';
import { printLine } from '../output.ts';
import { readSecret } from '../secret-input.ts';
import { addStorageOptions, serverStorage, type StorageOptions } from '../server-storage.ts';

/** `holdfast user …`: the users of a server, changed where its database is reachable. */
export function userCommand(): Command {
  const add = addStorageOptions(new Command('add'))
    .description('add a user with a drive of their own; the password is asked for, or read from standard input')
    .argument('<NAME>', 'the name to log in with')
    .addHelpText('before', 'Example:\n  echo "$PASSWORD" | holdfast user add ada\n')
    .action(async (name: string, options: StorageOptions) => {
      const storage = serverStorage(options);
      const password = await readSecret(`password for ${name}: `);
      await makePrivateDirectory(storage.directory);
      const { openMetadata } = await import('../../metadata/open.ts');
      const metadata = await openMetadata(storage.databaseUrl, { clock: systemClock, randomness: systemRandomness });
      try {
        await metadata.accounts.createUser(name, password);
      } finally {
        await metadata.close();
      }
      printLine(`user ${name} can log in now`);
    });
  return new Command('user').description("the server's users").addCommand(add);
}
