// A real Vendure shop for the end-to-end tests: two products, one country, one delivery method, one payment method that
// always pays. Everything lives in memory and ends with the process.
//
// PORT (0 lets the system choose), HOST, WEBHOOK_URL, WEBHOOK_SECRET, LOG_LEVEL (Error, Warn, Info, Debug).
// EXIT_WITH_STDIN=1 ends the shop when its standard input closes, so that it cannot outlive a killed test run.
'use strict';
process.env.VENDURE_DISABLE_TELEMETRY = 'true';
require('reflect-metadata');
const crypto = require('node:crypto');
const path = require('node:path');
const {
  bootstrap, DefaultJobQueuePlugin, DefaultLogger, dummyPaymentHandler, LanguageCode, LogLevel,
  RandomBytesApiKeyStrategy,
} = require('@vendure/core');
const { populate } = require('@vendure/core/cli');
const { WebhookPlugin } = require('./webhooks');

const startedAt = Date.now();
const { env } = process;
if (env.WEBHOOK_URL && !env.WEBHOOK_SECRET) {
  console.error('WEBHOOK_SECRET is missing: webhooks to WEBHOOK_URL are always signed.');
  process.exit(2);
}

// Vendure checks a key with bcrypt at every call, a third of a second of a processor. These keys guard nothing.
const quickHash = {
  hash: async key => crypto.createHash('sha256').update(key).digest('hex'),
  check: async (key, hash) => (await quickHash.hash(key)) === hash,
};

const config = {
  apiOptions: {
    hostname: env.HOST || '127.0.0.1', port: Number(env.PORT || 0), adminApiPath: 'admin-api', shopApiPath: 'shop-api',
  },
  authOptions: {
    tokenMethod: ['bearer', 'api-key'], // without 'api-key' here the keys of integrations are ignored
    superadminCredentials: { identifier: 'superadmin', password: 'superadmin' },
    adminApiKeyStrategy: new RandomBytesApiKeyStrategy({ hashingStrategy: quickHash }),
    requireVerification: false,
  },
  dbConnectionOptions: { type: 'sqljs', driver: require('sql.js'), synchronize: true, autoSave: false, logging: false },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  importExportOptions: { importAssetsDir: __dirname },
  logger: new DefaultLogger({ level: LogLevel[env.LOG_LEVEL || 'Error'] }),
  plugins: [
    DefaultJobQueuePlugin.init({}),
    WebhookPlugin.init({ url: env.WEBHOOK_URL || '', secret: env.WEBHOOK_SECRET || '' }),
  ],
  jobQueueOptions: { activeQueues: [] },
};

const payment = automaticSettle => (
  { code: 'dummy-payment-handler', arguments: [{ name: 'automaticSettle', value: String(automaticSettle) }] }
);
const shop = {
  defaultLanguage: LanguageCode.en,
  defaultZone: 'Europe',
  countries: [{ code: 'DE', name: 'Germany', zone: 'Europe' }],
  taxRates: [{ name: 'Standard Tax', percentage: 0 }],
  shippingMethods: [{ name: 'Standard Shipping', price: 500 }],
  paymentMethods: [
    { name: 'Pay now', handler: payment(true) },
    { name: 'Pay later', handler: payment(false) },
  ],
  collections: [],
};

async function main() {
  const app = await populate(() => bootstrap(config), shop, path.join(__dirname, 'products.csv'));
  const stop = () => app.close().then(() => process.exit(0), () => process.exit(1));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (env.EXIT_WITH_STDIN === '1') process.stdin.resume().once('end', stop).once('error', stop);
  console.log(`READY ${app.getHttpServer().address().port} ${Date.now() - startedAt}ms`);
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
