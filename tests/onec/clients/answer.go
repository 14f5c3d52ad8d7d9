// What gowsdl 0.5 generates of the live WSDL and of ours alike for the types of an answer: a Value is
// an empty struct, so that a client finds the properties and rows of an answer, and no cell.
package main

import (
	"encoding/xml"
	"fmt"
	"os"
)

type Structure struct {
	Property []struct {
		Value struct {
		} `xml:"Value,omitempty" json:"Value,omitempty"`

		Name *string `xml:"name,attr,omitempty" json:"name,omitempty"`
	} `xml:"Property,omitempty" json:"Property,omitempty"`
}

type Response struct {
	XMLName xml.Name `xml:"http://buhphone.com/PartnerWebAPI2 DepartmentReadResponse"`

	Return_ *Structure `xml:"return,omitempty" json:"return,omitempty"`
}

type Envelope struct {
	Body struct {
		Response Response
	}
}

func main() {
	var envelope Envelope
	if err := xml.NewDecoder(os.Stdin).Decode(&envelope); err != nil {
		panic(err)
	}
	for _, property := range envelope.Body.Response.Return_.Property {
		fmt.Println(*property.Name, property.Value)
	}
}
