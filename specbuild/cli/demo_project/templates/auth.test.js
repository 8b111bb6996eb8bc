'use strict';

const assert = require('node:assert');
const test = require('node:test');
const { AuthService } = require('../src/services/auth');
const { sign, verify } = require('../src/utils/jwt');
const { requireAuth } = require('../src/middleware/auth');

const ADA = { email: 'ada@example.org', name: 'Ada', password: 'correct horse' };

test('a registered user is known by the right password only', () => {
  const service = new AuthService();
  service.register(ADA);
  assert.equal(service.authenticate(ADA.email, ADA.password).loginCount, 1);
  assert.equal(service.authenticate(ADA.email, 'wrong horse'), null);
  assert.equal(service.authenticate('eve@example.org', ADA.password), null);
});

test('an address is taken once, and has to look like one', () => {
  const service = new AuthService();
  service.register(ADA);
  assert.throws(() => service.register(ADA), /taken/);
  assert.throws(() => service.register({ ...ADA, email: 'nobody' }), /malformed/);
});

test('a token is good until it is forged or expired', () => {
  assert.equal(verify(sign({ sub: 'ada' }, 's'), 's').sub, 'ada');
  assert.throws(() => verify(sign({ sub: 'ada' }, 'other'), 's'), /forged/);
  assert.throws(() => verify(sign({ sub: 'ada' }, 's', -1), 's'), /expired/);
});

test('the middleware lets through whoever has a token', () => {
  const request = { headers: { authorization: 'Bearer ' + sign({ sub: 'ada' }, 's') } };
  const passed = [];
  requireAuth('s')(request, {}, () => passed.push(request.user.sub));
  assert.deepEqual(passed, ['ada']);
  const response = { end: (text) => passed.push(text) };
  requireAuth('s')({ headers: {} }, response, () => passed.push('let through'));
  assert.equal(response.statusCode, 401);
  assert.deepEqual(passed, ['ada', 'no token']);
});
