// Starts the shop, and ends it when its standard input closes, so that it cannot outlive a killed test run.
//
//   DATABASE_URL=postgres://… node shop.js 9000
'use strict';
process.env.MEDUSA_DISABLE_TELEMETRY = 'true';
process.env.NODE_ENV = 'production';
process.stdin.resume().once('end', () => process.exit(0)).once('error', () => process.exit(0));
process.argv = [process.argv[0], 'medusa', 'start', '--host', '127.0.0.1', '-p', process.argv[2]];
require('@medusajs/cli/cli.js');
