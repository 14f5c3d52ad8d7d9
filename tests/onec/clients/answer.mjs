// What the npm package soap hands out of an answer: columns and cells as JSON.
import { BasicAuthSecurity, createClientAsync } from 'soap';

const [, , wsdl, user, operation] = process.argv;
const client = await createClientAsync(wsdl);
client.setSecurity(new BasicAuthSecurity(user, user));
const [answer] = await client[`${operation}Async`]({ Params: {} });
const [code, data] = answer.return.Property.map((each) => each.Value);
const text = (cell) => cell?.$value ?? (cell?.attributes ? '' : cell); // an empty text has no value
console.log(JSON.stringify({
  code: text(code),
  columns: data.column.map((column) => column.Name),
  rows: data.row.map((row) => row.Value.map(text)),
}));
