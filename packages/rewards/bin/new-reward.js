#!/usr/bin/env node
// Exists before the first build, so that package managers can link it.
import "../dist/new-reward.js";
