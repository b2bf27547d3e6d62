export { checkPolicy, policyRules, type PolicyExam, type PolicyRule } from "./testing/check-policy.ts";
export { tablePolicy, type TablePolicyOptions } from "./testing/table-policy.ts";
