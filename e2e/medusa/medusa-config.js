// The shop's settings: everything on the loopback interface, no admin pages, no plug-ins, caches and events in memory.
//
// DATABASE_URL names an empty PostgreSQL database of the shop's own.
'use strict';
const { defineConfig } = require('@medusajs/framework/utils');

const here = 'http://127.0.0.1';

module.exports = defineConfig({
  projectConfig: {
    databaseUrl: process.env.DATABASE_URL,
    databaseDriverOptions: { ssl: false, connection: { ssl: false } },
    http: {
      host: '127.0.0.1', storeCors: here, adminCors: here, authCors: here,
      jwtSecret: 'guards-nothing', cookieSecret: 'guards-nothing',
    },
  },
  admin: { disable: true },
});
