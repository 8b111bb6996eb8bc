'use strict';

const { createHmac, timingSafeEqual } = require('node:crypto');

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function seal(text, secret) {
  return createHmac('sha256', secret).update(text).digest('base64url');
}

function sign(claims, secret, seconds = 3600) {
  const now = Math.floor(Date.now() / 1000);
  const text = encode({ alg: 'HS256', typ: 'JWT' }) + '.' + encode({ ...claims, iat: now, exp: now + seconds });
  return text + '.' + seal(text, secret);
}

function verify(token, secret) {
  const [head, body, mark] = String(token).split('.');
  const expected = Buffer.from(seal(head + '.' + body, secret));
  const found = Buffer.from(mark || '');
  if (found.length !== expected.length || !timingSafeEqual(found, expected)) throw new Error('forged token');
  const claims = JSON.parse(Buffer.from(body, 'base64url'));
  if (claims.exp <= Date.now() / 1000) throw new Error('expired token');
  return claims;
}

module.exports = { sign, verify };
