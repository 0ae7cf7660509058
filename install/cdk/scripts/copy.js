// Puts the template and the licence of the repository beside the compiled constructs.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const cdk = path.join(__dirname, '..');
fs.copyFileSync(path.join(cdk, '../template.yaml'), path.join(cdk, 'dist/template.yaml'));
fs.copyFileSync(path.join(cdk, '../../LICENSE'), path.join(cdk, 'dist/LICENSE'));
