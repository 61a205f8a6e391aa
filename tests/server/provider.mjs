// A real OpenID provider for the tests: the npm package oidc-provider with its own login pages.
//
// Told by the environment: PORT to listen at, ISSUER as the world knows it, CLIENT (JSON), KEY (private JWK) and
// PEOPLE (a file with the claims of everybody, by subject, read at each login).
import { readFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const { PORT, ISSUER, CLIENT, KEY, PEOPLE } = process.env;

const provider = new Provider(ISSUER, {
  clients: [JSON.parse(CLIENT)],
  jwks: { keys: [JSON.parse(KEY)] },
  cookies: { keys: ["a key for the tests alone"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email"], groups: ["groups", "realm_access"] },
  async findAccount(_, sub) {
    const claims = JSON.parse(readFileSync(PEOPLE, "utf8"))[sub];
    return claims && { accountId: sub, claims: async () => ({ sub, ...claims }) };
  },
});
provider.listen(Number(PORT), "127.0.0.1", () => console.log("listening"));
