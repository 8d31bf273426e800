import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { exitCodes } from '../../../cli/exit-codes.ts';
import { holdfastProgram } from '../../../cli/program.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs/OPERATIONS.md'), 'utf8');

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

describe('docs/OPERATIONS.md', () => {
  test('lists the exit codes that there are', () => {
    const listed = [...page.matchAll(/^\| (\d+) +\|/gm)].map((match) => Number(match[1]));
    expect(listed).toEqual(Object.values(exitCodes));
  });

  test('names only commands and options that there are', () => {
    const commands = allCommands(holdfastProgram());
    const names = new Set(commands.map((command) => command.name()));
    const options = new Set(commands.flatMap((command) => command.options.map((option) => option.long)));
    options.add('--help');
    const code = [...page.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
    const named = code.flatMap((text) => /^holdfast ([a-z]+)/.exec(text)?.[1] ?? []);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !names.has(name))).toEqual([]);
    const given = code.flatMap((text) => text.match(/(?<= |^)--[a-z-]+/g) ?? []);
    expect(given.length).toBeGreaterThan(5);
    expect(given.filter((option) => !options.has(option))).toEqual([]);
  });
});
