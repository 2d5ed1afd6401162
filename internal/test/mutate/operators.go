package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// swaps lists the replacements of an operator or a branch.
var swaps = map[token.Token][]string{
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"}, token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"}, token.QUO: {"*"}, token.REM: {"*"},
	token.SHL: {">>"}, token.SHR: {"<<"}, token.AND: {"|"}, token.OR: {"&"}, token.XOR: {"&"}, token.AND_NOT: {"&"},
	token.ADD_ASSIGN: {"-="}, token.SUB_ASSIGN: {"+="}, token.MUL_ASSIGN: {"/="}, token.QUO_ASSIGN: {"*="}, token.REM_ASSIGN: {"*="},
	token.SHL_ASSIGN: {">>="}, token.SHR_ASSIGN: {"<<="}, token.AND_ASSIGN: {"|="}, token.OR_ASSIGN: {"&="}, token.XOR_ASSIGN: {"&="},
	token.INC: {"--"}, token.DEC: {"++"},
	token.BREAK: {"continue"}, token.CONTINUE: {"break"},
}

// A change replaces the source between two positions.
type change struct {
	operator string
	pos, end token.Pos
	text     string
}

// changes returns all changes of a declaration.
func changes(decl ast.Decl, info *types.Info, source func(ast.Node) string) []change {
	var found []change
	add := func(operator string, pos, end token.Pos, text string) {
		found = append(found, change{operator, pos, end, text})
	}
	swap := func(operator string, pos token.Pos, op token.Token) {
		for _, text := range swaps[op] {
			add(operator, pos, pos+token.Pos(len(op.String())), text)
		}
	}
	remove := func(n ast.Node) { add("remove", n.Pos(), n.End(), "") }
	negate := func(e ast.Expr) {
		switch e.(type) {
		case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr, *ast.StarExpr, *ast.TypeAssertExpr:
			if basic, ok := info.TypeOf(e).Underlying().(*types.Basic); ok && basic.Info()&types.IsBoolean != 0 && info.Types[e].Value == nil {
				add("negate", e.Pos(), e.End(), "!"+source(e))
			}
		}
	}
	hints := make(map[ast.Node]bool) // capacities, which change no result
	ast.Inspect(decl, func(n ast.Node) bool {
		if hints[n] {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncType, *ast.Field, *ast.ArrayType:
			return false
		case *ast.BinaryExpr:
			swap("swap", n.OpPos, n.Op)
			if n.Op == token.LAND || n.Op == token.LOR {
				negate(n.X)
				negate(n.Y)
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				add("negate", n.OpPos, n.OpPos+1, "")
			}
		case *ast.IfStmt:
			negate(n.Cond)
		case *ast.ForStmt:
			if n.Cond != nil {
				negate(n.Cond)
			}
		case *ast.SwitchStmt:
			for _, clause := range n.Body.List {
				for _, value := range clause.(*ast.CaseClause).List {
					if n.Tag == nil {
						negate(value)
					}
				}
			}
		case *ast.BasicLit:
			if value, err := strconv.ParseInt(n.Value, 0, 64); err == nil && n.Kind == token.INT {
				add("constant", n.Pos(), n.End(), strconv.FormatInt(value+1, 10))
				if value == 1 {
					add("constant", n.Pos(), n.End(), "0")
				}
			}
		case *ast.Ident:
			if flipped := map[string]string{"true": "false", "false": "true"}[n.Name]; flipped != "" && info.Uses[n] == types.Universe.Lookup(n.Name) {
				add("constant", n.Pos(), n.End(), flipped)
			}
		case *ast.CallExpr:
			if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "make" {
				if _, isMap := info.TypeOf(n).Underlying().(*types.Map); len(n.Args) == 3 || isMap && len(n.Args) == 2 {
					hints[n.Args[len(n.Args)-1]] = true
				}
			}
		case *ast.IncDecStmt:
			swap("swap", n.TokPos, n.Tok)
		case *ast.AssignStmt:
			swap("swap", n.TokPos, n.Tok)
			switch {
			case n.Tok != token.ASSIGN || !slices.ContainsFunc(n.Lhs, isNamed):
			case slices.ContainsFunc(n.Rhs, func(e ast.Expr) bool { return info.Types[e].IsNil() }):
				remove(n)
			default: // the right side is still evaluated
				add("remove", n.Lhs[0].Pos(), n.Lhs[len(n.Lhs)-1].End(), "_"+strings.Repeat(", _", len(n.Lhs)-1))
			}
		case *ast.ExprStmt:
			if _, ok := n.X.(*ast.CallExpr); ok {
				remove(n)
			}
		case *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
			remove(n)
		case *ast.BranchStmt:
			swap("swap", n.TokPos, n.Tok)
		case *ast.ReturnStmt:
			for _, result := range n.Results {
				negate(result)
				if tv := info.Types[result]; !tv.IsNil() && types.Identical(tv.Type, types.Universe.Lookup("error").Type()) {
					add("return", result.Pos(), result.End(), "nil")
				}
			}
		}
		return true
	})
	return found
}

func isNamed(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return !ok || name.Name != "_"
}
