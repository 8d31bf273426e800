import { hostname } from 'node:os';
import { Command } from 'commander';
import { Logins } from '../logins.ts';
import { printLine } from '../output.ts';
import { placesFor } from '../places.ts';
import { readAnswer, readSecret } from '../secret-input.ts';

/** `holdfast login URL`: exchanges a password for a device token and keeps the token. */
export function loginCommand(): Command {
  return new Command('login')
    .description('log this machine in to a server; the password is asked for, or read from standard input')
    .argument('<URL>', 'the server, such as https://drive.example:7420')
    .option('--user <name>', 'the user (default: asked for)')
    .option('--device <name>', 'what the server calls this machine', hostname())
    .addHelpText('before', 'Example:\n  holdfast login https://drive.example:7420 --user ada\n')
    .action(async (url: string, options: { user?: string; device: string }) => {
      const userName = options.user ?? (await readAnswer('user: '));
      const password = await readSecret(`password for ${userName}: `);
      const server = new URL(url).origin;
      const { login } = await import('../../mount/remote/login.ts');
      const { token } = await login({ url: server, user: userName, password, deviceName: options.device });
      await new Logins(placesFor(process.env).logins).save({ server, userName, token });
      printLine(`logged in at ${server} as ${userName}; "holdfast mount DIR" shows the drive`);
    });
}
