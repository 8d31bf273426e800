import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** Makes an empty database on the test server and returns its URL; it goes with the throwaway server. */
export async function freshDatabase(serverUrl: string): Promise<string> {
  const name = `holdfast_${randomBytes(6).toString('hex')}`;
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(`create database ${name}`);
  } finally {
    await client.end();
  }
  return serverUrl.replace(/^(postgres(?:ql)?:\/\/[^/]*\/)[^?]*/, `$1${name}`);
}
