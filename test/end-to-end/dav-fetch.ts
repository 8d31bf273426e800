/** Asks the WebDAV gateway for a file of `user`, whose name is given encoded already. */
export async function davGet(
  serverUrl: string,
  user: string,
  password: string,
  path: string,
): Promise<{ readonly status: number; readonly body: Buffer }> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const response = await fetch(`${serverUrl}/dav/${user}/${path}`, { headers: { authorization } });
  return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
}
