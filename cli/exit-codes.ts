import type { DriveErrorCode } from '../protocol/errors.ts';

/** The exit codes of every command, after sysexits(3). They are part of the interface and listed in the help. */
export const exitCodes = {
  ok: 0,
  defect: 1,
  usage: 64,
  badInput: 65,
  notFound: 66,
  unavailable: 69,
  cannotCreate: 73,
  inputOutput: 74,
  tryAgain: 75,
  notAllowed: 77,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The one translation of an error into the code a command ends with. */
export function exitCodeOf(code: DriveErrorCode): ExitCode {
  switch (code) {
    case 'notFound':
    case 'gone':
      return exitCodes.notFound;
    case 'exists':
    case 'notEmpty':
    case 'conflict':
    case 'quotaExceeded':
    case 'noSpace':
      return exitCodes.cannotCreate;
    case 'notDirectory':
    case 'isDirectory':
    case 'invalidName':
    case 'nameTooLong':
    case 'invalidArgument':
    case 'tooLarge':
    case 'unsupported':
      return exitCodes.badInput;
    case 'unauthenticated':
    case 'forbidden':
      return exitCodes.notAllowed;
    case 'locked':
    case 'rateLimited':
    case 'timeout':
      return exitCodes.tryAgain;
    case 'unavailable':
      return exitCodes.unavailable;
    case 'corrupt':
      return exitCodes.inputOutput;
    case 'cancelled':
      return exitCodes.interrupted;
    case 'internal':
      return exitCodes.defect;
  }
}
