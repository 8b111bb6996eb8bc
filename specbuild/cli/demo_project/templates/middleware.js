'use strict';

const { verify } = require('../utils/jwt');

// Lets a request through that carries a good token, and puts its claims into request.user.
function requireAuth(secret) {
  return (request, response, next) => {
    const [scheme, token] = (request.headers.authorization || '').split(' ');
    try {
      if (scheme !== 'Bearer') throw new Error('no token');
      request.user = verify(token, secret);
    } catch (error) {
      response.statusCode = 401;
      response.end(error.message);
      return;
    }
    next();
  };
}

module.exports = { requireAuth };
