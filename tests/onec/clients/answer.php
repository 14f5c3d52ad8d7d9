<?php
// How PHP's SoapClient hands out an answer: class of ResultData, its columns, its cells, as JSON.
declare(strict_types=1);

[, $wsdl, $user, $operation] = $argv;
$options = ['login' => $user, 'password' => $user, 'cache_wsdl' => WSDL_CACHE_NONE, 'features' => SOAP_SINGLE_ELEMENT_ARRAYS];
$answer = (new SoapClient($wsdl, $options))->__soapCall($operation, [['Params' => new stdClass()]]);
[$code, $data] = array_map(fn (object $each) => $each->Value, $answer->return->Property);
$table = $data instanceof SoapVar ? $data->enc_value : $data;
$unwrap = fn (mixed $cell) => $cell instanceof SoapVar ? $cell->enc_value : $cell;
echo json_encode([
    'class' => get_class($data),
    'code' => $code,
    'columns' => array_map(fn (object $column) => $column->Name, $table->column),
    'rows' => array_map(fn (object $row) => array_map($unwrap, $row->Value), $table->row ?? []),
]);
