import * as fs from 'node:fs';
import * as path from 'node:path';
import { CfnCondition, CfnElement, CfnParameter, Lazy, Stack } from 'aws-cdk-lib';
import * as include from 'aws-cdk-lib/cloudformation-include';
import { Construct } from 'constructs';

/**
 * The template that is included: the copy that the package has, or in the repository, where nothing was copied,
 * `install/template.yaml` itself.
 */
export function templateFile(): string {
  const copy = path.join(__dirname, 'template.yaml');
  return fs.existsSync(copy) ? copy : path.join(__dirname, '../../template.yaml');
}

let declared: Readonly<Record<string, CfnParameter>> | undefined;

/** What the template declares of its parameters, by name. */
export function declaredParameters(): Readonly<Record<string, CfnParameter>> {
  if (declared === undefined) {
    // CfnInclude reads it; this stack is of no app.
    const template = new include.CfnInclude(new Stack(), 'Template', { templateFile: templateFile() });
    const parameters = template.node.findAll().filter((one): one is CfnParameter => one instanceof CfnParameter);
    declared = Object.fromEntries(parameters.map((one) => [one.node.id, one]));
  }
  return declared;
}

/**
 * The template, with a value for each of its parameters. Conditions that follow from those values are decided here:
 * CloudFormation takes no attribute of a resource in a condition, which a value may be, and CDK warns of conditions
 * that are always true or false.
 */
export class Template extends include.CfnInclude {
  constructor(scope: Construct, id: string, parameters: Record<string, unknown>) {
    super(scope, id, { templateFile: templateFile(), preserveLogicalIds: false, parameters });
    const conditions = new Conditions(this);
    for (const element of this.node.findAll()) {
      if (element instanceof CfnElement && element !== this) {
        const written = element._toCloudFormation.bind(element);
        element._toCloudFormation = (): object =>
          Lazy.uncachedAny({ produce: (context) => conditions.decideIn(context.resolve(written()) as Sections) });
      }
    }
  }

  /** Without what describes the template as a stack of its own. */
  override _toCloudFormation(): object {
    const { Description, Metadata, ...rest } = super._toCloudFormation() as Record<string, unknown>;
    return rest;
  }
}

type Json = null | boolean | number | string | Json[] | Members;
interface Members {
  [name: string]: Json;
}
type Sections = Record<string, Record<string, Members>>;

/** A value that is known when the stack is deployed, and is not empty. */
const GIVEN = Symbol('given');
/** A value that may be anything, as that of a parameter of the stack. */
const UNKNOWN = Symbol('unknown');

const NO_VALUE = JSON.stringify({ Ref: 'AWS::NoValue' });

/** The conditions of a template, as far as they follow from the values of its parameters. */
class Conditions {
  private readonly stack: Stack;
  private readonly conditions: CfnCondition[];

  constructor(template: include.CfnInclude) {
    this.stack = Stack.of(template);
    this.conditions = template.node.findAll().filter((one): one is CfnCondition => one instanceof CfnCondition);
  }

  /** An element of a template with the conditions decided. */
  decideIn(sections: Sections): Sections {
    const decided = Object.entries(sections).map(([section, elements]) => {
      const kept = Object.entries(elements).flatMap(([id, element]): [string, Json][] => {
        if (section === 'Conditions') {
          return this.isTrue(id) === undefined ? [[id, this.undecided(element)]] : [];
        }
        const { Condition, ...rest } = element;
        const isMade = typeof Condition === 'string' ? this.isTrue(Condition) : undefined;
        return isMade === false ? [] : [[id, this.decided(isMade === true ? rest : element)]];
      });
      return [section, Object.fromEntries(kept)] as [string, Record<string, Members>];
    });
    return Object.fromEntries(decided.filter(([, elements]) => Object.keys(elements).length > 0));
  }

  /** A value with each `Fn::If` of a decided condition replaced by what it chooses. */
  private decided(value: Json): Json {
    if (Array.isArray(value)) {
      return value.map((one) => this.decided(one)).filter(isValue);
    }
    if (typeof value !== 'object' || value === null) {
      return value;
    }
    const choice = value['Fn::If'];
    if (Array.isArray(choice)) {
      const [condition = null, chosen = null, other = null] = choice;
      const isTrue = this.isTrue(String(condition));
      return isTrue === undefined ? { 'Fn::If': [condition, this.branch(chosen), this.branch(other)] } : this.decided(isTrue ? chosen : other);
    }
    const members = Object.entries(value).map(([name, one]): [string, Json] => [name, this.decided(one)]);
    return Object.fromEntries(members.filter(([, one]) => isValue(one)));
  }

  /** A branch of an `Fn::If` that stays has a value in any case. */
  private branch(value: Json): Json {
    return isValue(value) ? this.decided(value) : value;
  }

  /** The expression of a condition that stays, without the parts that are decided. */
  private undecided(expression: Json): Json {
    const [[name, of] = ['', null]] = Object.entries(expression as Members);
    if (!Array.isArray(of) || !['Fn::And', 'Fn::Or', 'Fn::Not'].includes(name)) {
      return expression;
    }
    const [first = null, ...others] = of.filter((one) => this.evaluate(one) === undefined).map((one) => this.undecided(one));
    return others.length === 0 && name !== 'Fn::Not' ? first : { [name]: [first, ...others] };
  }

  /** Whether the condition with this logical id is true; unknown if it follows from more than the parameters. */
  private isTrue(id: string): boolean | undefined {
    const condition = this.conditions.find((one) => this.stack.resolve(one.logicalId) === id);
    return condition && this.evaluate(this.stack.resolve(condition.expression) as Json);
  }

  private evaluate(expression: Json): boolean | undefined {
    const [[name, of] = ['', null]] = Object.entries(expression as Members);
    const sides = Array.isArray(of) ? of : [];
    switch (name) {
      case 'Condition':
        return this.isTrue(String(of));
      case 'Fn::Equals':
        return equal(...(sides.map((side) => this.constant(side)) as [Constant, Constant]));
      case 'Fn::Not': {
        const isTrue = this.evaluate(sides[0] ?? null);
        return isTrue === undefined ? undefined : !isTrue;
      }
      case 'Fn::And':
        return all(sides.map((side) => this.evaluate(side)));
      case 'Fn::Or': {
        const none = all(sides.map((side) => this.evaluate(side)).map((one) => (one === undefined ? undefined : !one)));
        return none === undefined ? undefined : !none;
      }
      default:
        return undefined;
    }
  }

  /** What is known of a value now. */
  private constant(value: Json): Constant {
    if (typeof value !== 'object' || value === null) {
      return String(value ?? '');
    }
    const join = (value as Members)['Fn::Join'];
    if (Array.isArray(join) && Array.isArray(join[1])) {
      const parts = join[1].map((part) => this.constant(part));
      const texts = parts.filter((part): part is string => typeof part === 'string');
      if (texts.length === parts.length) {
        return texts.join(String(join[0]));
      }
      return parts.includes(GIVEN) || texts.some((text) => text !== '') ? GIVEN : UNKNOWN;
    }
    return this.refersToParameter(value) ? UNKNOWN : GIVEN;
  }

  private refersToParameter(value: Json): boolean {
    if (typeof value !== 'object' || value === null) {
      return false;
    }
    const { Ref } = value as Members;
    const isParameter = (one: unknown): boolean => one instanceof CfnParameter && this.stack.resolve(one.logicalId) === Ref;
    return Ref !== undefined ? this.stack.node.findAll().some(isParameter) : Object.values(value).some((one) => this.refersToParameter(one as Json));
  }
}

type Constant = string | typeof GIVEN | typeof UNKNOWN;

function equal(one: Constant, other: Constant): boolean | undefined {
  if (typeof one === 'string' && typeof other === 'string') {
    return one === other;
  }
  const isGivenAndEmpty = (one === GIVEN && other === '') || (one === '' && other === GIVEN);
  return isGivenAndEmpty ? false : undefined;
}

/** Whether all are true; unknown if none is false and one is unknown. */
function all(truths: (boolean | undefined)[]): boolean | undefined {
  return truths.includes(false) ? false : truths.includes(undefined) ? undefined : true;
}

function isValue(value: Json): boolean {
  return JSON.stringify(value) !== NO_VALUE;
}
