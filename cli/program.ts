import { Command } from 'commander';
import { drainCommand } from './commands/drain.ts';
import { evictCommand } from './commands/evict.ts';
import { logCommand } from './commands/log.ts';
import { loginCommand } from './commands/login.ts';
import { mountHelperCommand } from './commands/mount-helper.ts';
import { mountCommand } from './commands/mount.ts';
import { pinCommand } from './commands/pin.ts';
import { restoreCommand } from './commands/restore.ts';
import { serveCommand } from './commands/serve.ts';
import { statusCommand } from './commands/status.ts';
import { unpinCommand } from './commands/unpin.ts';
import { unmountCommand } from './commands/unmount.ts';
import { upCommand } from './commands/up.ts';
import { userCommand } from './commands/user.ts';

const examples = `Examples:
  holdfast up                                 everything on this machine: server, WebDAV and a mounted drive
  holdfast serve --listen 0.0.0.0:7420 \\
      --tls-cert cert.pem --tls-key key.pem   a server for other machines
  holdfast user add ada                       a user with a drive of her own
  holdfast login https://drive.example:7420   on another machine …
  holdfast mount ~/Drive                      … and her drive is there
  holdfast status --json                      what is mounted, and what is not yet uploaded
  holdfast pin ~/Drive/Travel                 kept on this machine, to be there without a network
  holdfast log ~/Drive/report.txt             the versions of a file
  holdfast restore ~/Drive/report.txt --version 12 --to ~/Drive/report-old.txt
`;

const codes = `
Exit codes: 0 done · 1 a defect of Holdfast · 64 wrong usage · 65 bad input · 66 not found · 69 server or mount
not reachable · 73 cannot be created (taken, full, in conflict) · 74 damaged data · 75 not in time, try again ·
77 not allowed or not logged in · 130 interrupted
`;

/**
 * The whole command line. Errors are thrown, never printed here; see main.ts. A command imports what is large (server,
 * mount, database) only when it runs, so that help and status answer at once.
 */
export function holdfastProgram(): Command {
  const program = new Command('holdfast')
    .description('A self-hosted cloud drive: mounted, over WebDAV, versioned, deduplicated and encrypted.')
    .version('0.1.0')
    // So that --version after a command is the command's: "restore PATH --version 12".
    .enablePositionalOptions()
    .addHelpText('before', examples)
    .addHelpText('after', codes)
    .showHelpAfterError('(run "holdfast --help" for examples)');
  const commands = [
    upCommand(),
    serveCommand(),
    userCommand(),
    loginCommand(),
    mountCommand(),
    unmountCommand(),
    drainCommand(),
    statusCommand(),
    pinCommand(),
    unpinCommand(),
    evictCommand(),
    logCommand(),
    restoreCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  program.addCommand(mountHelperCommand(), { hidden: true });
  for (const command of [program, ...allBelow(program)]) command.exitOverride();
  return program;
}

function allBelow(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allBelow(child)]);
}
