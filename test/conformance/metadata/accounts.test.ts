import { describe } from 'vitest';
import { engines } from './engines.ts';
import { accountsSuite } from './accounts-suite.ts';

describe.each(engines())('metadata on $name', (engine) => accountsSuite(engine));
