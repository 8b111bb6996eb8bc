'use strict';

// Handlers by method and path; each takes a request's body and returns a status and an answer.
function routes(service, sign) {
  return {
    'POST /register': (body) => register(service, body), // makes an account
    'POST /@NAME@': (body) => enter(service, sign, body), // answers with a token
  };
}

function register(service, body) {
  try {
    const user = service.register(body);
    return { status: 201, answer: { email: user.email } };
  } catch (error) {
    return { status: 400, answer: { error: error.message } };
  }
}

function enter(service, sign, { email, password }) {
  const user = service.authenticate(email, password);
  if (!user) return { status: 401, answer: { error: 'wrong address or password' } };
  return { status: 200, answer: { token: sign({ sub: user.email }) } };
}

module.exports = { routes };
