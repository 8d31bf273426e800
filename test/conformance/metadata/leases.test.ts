import { describe } from 'vitest';
import { engines } from './engines.ts';
import { leasesSuite } from './leases-suite.ts';

describe.each(engines())('metadata on $name', (engine) => leasesSuite(engine));
