# Stands for the ports tree's, as far as this port needs it: the variables of bsd.port.mk and Uses/cargo.mk, and the
# steps from the sources to the stage directory. The program is not compiled; PROGRAM is taken for it.
PREFIX?=	/usr/local
PKGNAME=	${PORTNAME}-${DISTVERSION}
WRKDIR?=	${.CURDIR}/work
WRKSRC=		${WRKDIR}/${PORTNAME}-${DISTVERSION}
STAGEDIR=	${WRKDIR}/stage
FILESDIR=	${.CURDIR}/files
ETCDIR=		${PREFIX}/etc/${PORTNAME}
DOCSDIR=	${PREFIX}/share/doc/${PORTNAME}
EXAMPLESDIR=	${PREFIX}/share/examples/${PORTNAME}

CARGO_TARGET_DIR=	${WRKDIR}/target
CARGO_BUILD_TARGET=	x86_64-unknown-freebsd
.include "${.CURDIR}/Makefile.crates"
.for crate in ${CARGO_CRATES}
DISTFILES+=	rust/crates/${crate}.crate
.endfor

INSTALL_PROGRAM=	install -s -m 555
INSTALL_DATA=	install -m 644
INSTALL_MAN=	install -m 444
INSTALL_SCRIPT=	install -m 555
MKDIR=		mkdir -p
SED=		sed
TAR=		tar
SUBSTITUTE=	${SED} -e 's,%%PREFIX%%,${PREFIX},g' -e 's,%%ETCDIR%%,${ETCDIR},g' \
		-e 's,%%DOCSDIR%%,${DOCSDIR},g' -e 's,%%EXAMPLESDIR%%,${EXAMPLESDIR},g'

do-build:
	@${MKDIR} ${CARGO_TARGET_DIR}/${CARGO_BUILD_TARGET}/release
	@cp ${PROGRAM} ${CARGO_TARGET_DIR}/${CARGO_BUILD_TARGET}/release/poblano

pre-install:
	@${MKDIR} ${STAGEDIR}${PREFIX}/sbin ${STAGEDIR}${PREFIX}/share/man/man8 ${STAGEDIR}${PREFIX}/etc/rc.d
.for file in ${SUB_FILES}
	@${SUBSTITUTE} ${FILESDIR}/${file}.in > ${WRKDIR}/${file}
.endfor

post-stage:
	@gzip -n ${STAGEDIR}${PREFIX}/share/man/man8/*
.for script in ${USE_RC_SUBR}
	@${SUBSTITUTE} ${FILESDIR}/${script}.in > ${WRKDIR}/${script}
	@${INSTALL_SCRIPT} ${WRKDIR}/${script} ${STAGEDIR}${PREFIX}/etc/rc.d
.endfor
	@${SUBSTITUTE} pkg-plist > ${WRKDIR}/plist
.for file in ${PORTDOCS}
	@echo ${DOCSDIR}/${file} >> ${WRKDIR}/plist
.endfor
.for file in ${PORTEXAMPLES}
	@echo ${EXAMPLESDIR}/${file} >> ${WRKDIR}/plist
.endfor

stage: post-extract do-build post-build pre-install do-install do-install-DOCS-on do-install-EXAMPLES-on post-stage
.ORDER: post-extract do-build post-build pre-install do-install do-install-DOCS-on do-install-EXAMPLES-on post-stage
