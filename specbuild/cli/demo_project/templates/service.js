'use strict';

const { randomBytes, scryptSync, timingSafeEqual } = require('node:crypto');
const { User } = require('../models/user');

function digest(password, salt) {
  return scryptSync(password, salt, 32).toString('hex');
}

class AuthService {
  constructor(users = new Map()) {
    this.users = users;
  }

  register({ email, name, password }) {
    if (this.users.has(email)) throw new Error('this address is taken');
    if (!password || password.length < 8) throw new Error('the password is too short');
    const salt = randomBytes(16).toString('hex');
    const user = new User({ email, name, passwordHash: salt + ':' + digest(password, salt) });
    this.users.set(email, user);
    return user;
  }

  authenticate(email, password) {
    const user = this.users.get(email);
    if (!user) return null;
    const [salt, expected] = user.passwordHash.split(':');
    const found = digest(password, salt);
    if (!timingSafeEqual(Buffer.from(found), Buffer.from(expected))) return null;
    user.loginCount += 1;
    return user;
  }
}

module.exports = { AuthService };
