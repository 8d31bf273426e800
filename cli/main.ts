import { CommanderError } from 'commander';
import { asDriveError, isDriveError } from '../protocol/errors.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { printRemark } from './output.ts';
import { holdfastProgram } from './program.ts';

/** Runs one command and returns the code to end with. Only here do errors become text and exit codes. */
async function run(): Promise<number> {
  try {
    await holdfastProgram().parseAsync(process.argv);
    return exitCodes.ok;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const error = asDriveError(thrown);
    printRemark(`holdfast: ${error.message}`);
    if (!isDriveError(thrown) && thrown instanceof Error && thrown.stack !== undefined) printRemark(thrown.stack);
    return exitCodeOf(error.code);
  }
}

process.exitCode = await run();
