// A real OpenID provider with two people, started by tests/servers/oidc_provider.py with its port and its client's
// callback. Its development pages ask for a name and any password.
import Provider from 'oidc-provider';

const [port, callback] = process.argv.slice(2);
const people = {
  alice: { name: 'Alice', preferred_username: 'alice', email: 'alice@lab.test', groups: ['dev', 'admins'] },
  bob: { name: 'Bob', preferred_username: 'bob', email: 'bob@lab.test', groups: ['dev'] },
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'registry',
    client_secret: 'registry-secret',
    redirect_uris: [callback],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  claims: { openid: ['sub'], email: ['email'], profile: ['name', 'preferred_username'], groups: ['groups'] },
  scopes: ['openid', 'email', 'profile', 'groups'],
  pkce: { required: () => true },
  findAccount: async (_, id) => people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ['of a test'] },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
