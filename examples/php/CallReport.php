<?php
// The calls of a day as three providers tell them: read page by page, tried again, merged.

declare(strict_types=1);

class ProviderError extends RuntimeException
{
}

/** An error that goes by itself after some seconds. */
class PassingError extends ProviderError
{
    public function __construct(string $text, public readonly float $seconds)
    {
        parent::__construct($text);
    }
}

/** What the clients share: a request is tried again when its error passes. */
abstract class Client
{
    private const TRIES = 5;

    /** @param callable(float): void $sleep */
    public function __construct(protected string $url, private $sleep)
    {
    }

    protected function retry(callable $attempt): mixed
    {
        for ($left = self::TRIES - 1; ; $left--) {
            try {
                return $attempt();
            } catch (PassingError $error) {
                if ($left === 0) {
                    throw $error;
                }
                ($this->sleep)($error->seconds);
            }
        }
    }

    /** @param list<string> $headers */
    protected function post(string $url, string $body, array $headers = []): string
    {
        $options = ['method' => 'POST', 'content' => $body, 'header' => $headers, 'ignore_errors' => true, 'timeout' => 30];
        $answer = @file_get_contents($url, false, stream_context_create(['http' => $options]));
        if ($answer === false) {
            throw new PassingError('no answer', 5);
        }
        $status = (int) explode(' ', $http_response_header[0])[1];
        if (in_array($status, [502, 503, 504], true)) {
            throw new PassingError("status $status", 5);
        }
        return $answer;
    }
}

class DataApi extends Client
{
    private const PAGE = 1000;

    public function __construct(string $url, private string $token, callable $sleep)
    {
        parent::__construct($url, $sleep);
    }

    /** All call legs that started in a window. */
    public function legs(string $since, string $till): array
    {
        $found = [];
        do {
            $page = $this->retry(fn () => $this->page($since, $till, count($found)));
            array_push($found, ...$page['data']);
        } while ($page['data'] && count($found) < $page['metadata']['total_items']);
        return $found;
    }

    private function page(string $since, string $till, int $offset): array
    {
        $params = [
            'access_token' => $this->token, 'date_from' => $since, 'date_till' => $till,
            'limit' => self::PAGE, 'offset' => $offset,
        ];
        $request = ['jsonrpc' => '2.0', 'id' => 1, 'method' => 'get.call_legs_report', 'params' => $params];
        $body = json_encode($request, JSON_THROW_ON_ERROR);
        $text = $this->post($this->url, $body, ['Content-Type: application/json; charset=UTF-8']);
        $answer = json_decode($text, true, flags: JSON_THROW_ON_ERROR);
        if (isset($answer['result'])) {
            return $answer['result'];
        }
        $mnemonic = $answer['error']['data']['mnemonic'];
        throw $mnemonic === 'limit_exceeded' ? new PassingError($mnemonic, 60) : new ProviderError($mnemonic);
    }
}

class Workplace extends Client
{
    public function __construct(string $url, private string $number, private string $password, callable $sleep)
    {
        parent::__construct($url, $sleep);
    }

    /** An operator's calls, newest first, page by page behind the tag. */
    public function rows(string $since): array
    {
        $found = [];
        $tag = '';
        do {
            $history = $this->retry(fn () => $this->page($since, $tag));
            $tag = (string) $history['tag'];
            $page = [];
            foreach ($history->call_history as $row) {
                $page[] = array_map('strval', iterator_to_array($row->attributes()));
            }
            array_push($found, ...$page);
        } while ($page);
        return $found;
    }

    private function page(string $since, string $tag): SimpleXMLElement
    {
        $request = new SimpleXMLElement('<in><request><filters limit="50" offset="0"/></request></in>');
        $request->request->filters['from_date'] = $since;
        if ($tag !== '') {
            $request->request->filters['tag'] = $tag;
        }
        $login = 'Authorization: Basic ' . base64_encode("$this->number:$this->password");
        $text = $this->post("$this->url/operator_call_history", $request->asXML(), ['Content-Type: text/xml', $login]);
        $answer = new SimpleXMLElement($text);
        if (isset($answer->error)) {
            throw new ProviderError((string) $answer->error['reason']);
        }
        return $answer->response->history;
    }
}

/** 1C-Connect by PHP's own SoapClient. */
class ServiceCalls extends Client
{
    private const CORE = 'http://v8.1c.ru/8.1/data/core';
    private SoapClient $soap;

    public function __construct(string $url, string $user, string $password, callable $sleep)
    {
        parent::__construct($url, $sleep);
        $options = [
            'login' => $user, 'password' => $password, 'cache_wsdl' => WSDL_CACHE_NONE,
            'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        ];
        $this->soap = new SoapClient("$url?wsdl", $options);
    }

    /** Calls on the partner's lines that began in a period; cells by their column's name. */
    public function rows(string $since, string $till): array
    {
        return $this->retry(fn () => $this->call($since, $till));
    }

    private function call(string $since, string $till): array
    {
        $property = fn (string $name, string $value) => [
            'name' => $name,
            'Value' => new SoapVar($value, XSD_DATETIME, 'dateTime', 'http://www.w3.org/2001/XMLSchema'),
        ];
        $params = ['Property' => [$property('PeriodFrom', $since), $property('PeriodTo', $till)]];
        try {
            $answer = $this->soap->GetHistoryOfServiceCalls(['Params' => $params]);
        } catch (SoapFault $fault) {
            throw new ProviderError($fault->getMessage());
        }
        [$code, $data] = array_map(fn (object $each) => $this->unwrap($each->Value), $answer->return->Property);
        if ($code === 'OUT_OF_LIMIT') {
            throw new PassingError($code, 3600);
        }
        if ($code !== 'SUCCESS') {
            throw new ProviderError("$code: $data");
        }
        $names = array_map(fn (object $column) => $column->Name, $data->column);
        return array_map(
            fn (object $row) => array_combine($names, array_map($this->unwrap(...), $row->Value)),
            $data->row ?? []
        );
    }

    /** SoapClient wraps a value whose type the WSDL leaves open. */
    private function unwrap(mixed $value): mixed
    {
        return $value instanceof SoapVar ? $value->enc_value : $value;
    }
}

/**
 * Join the answered calls by the moment of the answer, the number and the length.
 *
 * @return array<int, array{answered: string, phone: string, seconds: int, call_refs: list<string>, call_id: ?string}>
 *     by CDR session id
 */
function merge(array $legs, array $rows, array $calls): array
{
    $refs = [];
    foreach ($rows as $row) {
        $refs[str_replace('/', '-', $row['answer_time']) . ' ' . $row['remote_digits']][] = $row['call_ref'];
    }
    $merged = [];
    foreach ($legs as $leg) {
        if (!$leg['is_operator'] || $leg['connect_time'] === null || $leg['is_coach']) {
            continue;
        }
        // seen from the exchange: of an incoming call it called the operator
        $phone = $leg[$leg['direction'] === 'out' ? 'calling_phone_number' : 'called_phone_number'];
        $session = $leg['call_session_id'];
        $merged[$session] ??= ['answered' => $leg['connect_time'], 'phone' => $phone, 'seconds' => 0, 'call_refs' => [], 'call_id' => null];
        $merged[$session]['seconds'] += $leg['duration'];
        array_push($merged[$session]['call_refs'], ...($refs["{$leg['connect_time']} $phone"] ?? []));
    }
    foreach ($merged as &$call) {
        foreach ($calls as $row) {
            // 1C adds up all talk of a call before it cuts off to seconds, CDR each leg's
            $more = (int) $row['Duration'] - $call['seconds'];
            if (str_replace('T', ' ', $row['CallTime']) === $call['answered'] && $more >= 0 && $more <= 3) {
                $call['call_id'] = $row['CallID'];
            }
        }
    }
    return $merged;
}
