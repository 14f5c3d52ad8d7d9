<?php
// The client against callmocks, which is steered by its admin API; CALLMOCKS_URL says where that is.

declare(strict_types=1);

use PHPUnit\Framework\TestCase;

require_once __DIR__ . '/CallReport.php';

class CallReportTest extends TestCase
{
    private const DAY = ['2026-03-02 00:00:00', '2026-03-02 23:59:59'];
    private const PERIOD = ['2026-03-02T00:00:00', '2026-03-02T23:59:59'];
    private array $tenant;

    protected function tearDown(): void
    {
        $this->api('DELETE', '');
    }

    public function testADayIsCompleteAlthoughPointsAreUsedUp(): void
    {
        $this->makeTenant(['seed' => 7, 'now' => '2026-03-03T12:00:00']);
        $fault = ['mnemonic' => 'limit_exceeded', 'params' => ['limit_type' => 'minute']];
        $this->api('POST', '/faults', ['provider' => 'cdr', 'fault' => 'rpc_error', 'params' => $fault, 'times' => 2]);
        $legs = $this->dataApi()->legs(...self::DAY);
        $truth = $this->api('GET', '/truth?from=2026-03-02&till=2026-03-03')['calls'];
        $expected = array_map(fn (array $call) => $call['cdr']['call_session_id'], $truth);
        $this->assertEqualsCanonicalizing($expected, array_values(array_unique(array_column($legs, 'call_session_id'))));
        $this->assertSame('2026-03-03T12:02:00', $this->api('GET', '/clock')['now']);
    }

    public function testAnErrorThatStaysIsRaised(): void
    {
        $this->makeTenant([]);
        $fault = ['mnemonic' => 'access_token_blocked'];
        $this->api('POST', '/faults', ['provider' => 'cdr', 'fault' => 'rpc_error', 'params' => $fault, 'times' => 1]);
        $this->expectExceptionObject(new ProviderError('access_token_blocked'));
        $this->dataApi()->legs(...self::DAY);
    }

    public function testAUsedUpHourIsWaitedFor(): void
    {
        $this->makeTenant(['world' => 'empty', 'now' => '2026-03-02T12:00:00']);
        $call = $this->api('POST', '/calls', ['start' => '2026-03-02T11:00:00']);
        $this->api('POST', '/faults', ['provider' => 'onec', 'fault' => 'limit_reached', 'operation' => 'GetHistoryOfServiceCalls', 'times' => 1]);
        $rows = $this->serviceCalls()->rows(...self::PERIOD);
        $this->assertSame([$call['onec']['CallID']], array_column($rows, 'CallID'));
        $this->assertSame('2026-03-02T13:00:00', $this->api('GET', '/clock')['now']);
    }

    public function testThreeProvidersTellOfTheSameCall(): void
    {
        $this->makeTenant(['world' => 'empty', 'now' => '2026-03-02T12:00:00']);
        $pin = ['start' => '2026-03-02T11:00:00', 'operator' => '101', 'talk_seconds' => 75];
        $call = $this->api('POST', '/calls', $pin);
        $operator = $this->tenant['arm']['operators'][0];
        $url = "{$this->tenant['arm']['url']}/{$this->tenant['arm']['domain']}/service/cc/arm";
        $workplace = new Workplace($url, $operator['number'], $operator['password'], $this->advance(...));
        $merged = merge(
            $this->dataApi()->legs(...self::DAY),
            $workplace->rows('2026/03/02 00:00:00'),
            $this->serviceCalls()->rows(...self::PERIOD)
        );
        $this->assertSame([$call['cdr']['call_session_id']], array_keys($merged));
        $shown = current($merged);
        $this->assertSame($call['onec']['CallID'], $shown['call_id']);
        $this->assertSame([$call['arm'][0]['call_ref']], $shown['call_refs']);
        $wrong = array_filter($this->api('GET', '/journal')['entries'], fn (array $entry) => $entry['violations']);
        $this->assertSame([], $wrong);
    }

    private function dataApi(): DataApi
    {
        return new DataApi($this->tenant['cdr']['url'], $this->tenant['cdr']['token'], $this->advance(...));
    }

    private function serviceCalls(): ServiceCalls
    {
        ['url' => $url, 'user' => $user, 'password' => $password] = $this->tenant['onec'];
        return new ServiceCalls($url, $user, $password, $this->advance(...));
    }

    private function makeTenant(array $settings): void
    {
        $name = 'php-' . bin2hex(random_bytes(6));
        $this->tenant = ['name' => $name];
        $this->tenant = $this->api('POST', null, ['name' => $name, 'limits' => 'off', ...$settings]);
    }

    /** Waiting moves the tenant's clock. */
    private function advance(float $seconds): void
    {
        $this->api('POST', '/clock/advance', ['seconds' => $seconds]);
    }

    private function api(string $method, ?string $path, ?array $body = null): array
    {
        $base = getenv('CALLMOCKS_URL') ?: 'http://127.0.0.1:8080';
        $url = "$base/api/tenants" . ($path === null ? '' : "/{$this->tenant['name']}$path");
        $options = ['method' => $method, 'header' => 'Content-Type: application/json'];
        if ($body !== null) {
            $options['content'] = json_encode($body, JSON_THROW_ON_ERROR);
        }
        $answer = file_get_contents($url, false, stream_context_create(['http' => $options]));
        return $answer === '' ? [] : json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
    }
}
